from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from train.data.label_map import load_label_map

WHOLE = """
rename:
  bottle: glass
  "no": trash
merge:
  paper: [newspaper, office paper]
ignore: [batteries]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_folder_gets_its_class(tmp_path: Path) -> None:
    classes = load_label_map(written(tmp_path, WHOLE)).classes(
        {"bottle", "no", "newspaper", "office paper", "batteries"}
    )
    assert classes == {
        "bottle": "glass",
        "no": "trash",
        "newspaper": "paper",
        "office paper": "paper",
        "batteries": None,
    }


@pytest.mark.parametrize(
    ("text", "folders", "fault"),
    [
        ("rename: {a: x}", {"a", "c", "b"}, "no entry for b, c;"),
        ("rename: {a: x, z: x}", {"a"}, "no source has z;"),
        ("rename: {a: x}\nmerge: {y: [a]}", {"a"}, "two entries for a;"),
        ("ignore: [a, a]", {"a"}, "two entries for a;"),
    ],
)
def test_a_folder_is_named_once_and_only_once(tmp_path: Path, text: str, folders: set[str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_label_map(written(tmp_path, text)).classes(folders)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("bottle: glass", r"bottle: Extra inputs are not permitted.*rename, merge and ignore"),
        ("rename: {a: x, a: y}", "two entries for a"),
        ("rename: {a: no}", r"rename\.a: Input should be a valid string, found False.*in quotes"),
        ("rename: {a: x/y}", r"rename\.a: "),
        ("rename: {a: ..}", r"rename\.a: "),
        ("merge: {x: a}", r"merge\.x: Input should be a valid (list|tuple)"),
        ("- a", "valid dictionary"),
        ("a: [", "labels.yaml: "),
    ],
)
def test_a_map_that_is_not_one_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_label_map(written(tmp_path, text))


def test_a_missing_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_label_map(tmp_path / "nowhere.yaml")
