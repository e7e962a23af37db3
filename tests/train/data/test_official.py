from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from train.data import Photos, make_split
from train.data.official import LISTS

NAMES = tuple(f"{label}/{label}{i}.jpg" for label in ("glass", "trash") for i in range(1, 7))
NUMBERS = {"glass": 1, "trash": 6}


def write_lists(folder: Path, *parts: tuple[str, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for list_name, names in zip(LISTS, parts, strict=True):
        lines = [f"{name.split('/')[1]} {NUMBERS[name.split('/')[0]]}\n" for name in names]
        (folder / list_name).write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    (tmp_path / "trashnet").mkdir()
    return Photos(tmp_path / "trashnet", ("glass", "trash"), NAMES)


THIRDS = (NAMES[0::3], NAMES[1::3], NAMES[2::3])


@pytest.mark.parametrize("place", [".", "trashnet"])
def test_the_authors_lists_are_found_inside_the_folder_and_beside_it(
    photos: Photos, tmp_path: Path, place: str
) -> None:
    write_lists(tmp_path / place, *THIRDS)
    split = make_split(photos, "official", groups={})
    assert (split.train.names, split.validation.names, split.test.names) == THIRDS


def test_lists_elsewhere_are_read_where_they_are_said_to_be(photos: Photos, tmp_path: Path) -> None:
    write_lists(tmp_path / "lists", *THIRDS)
    assert make_split(photos, "official", groups={}, official=tmp_path / "lists").test.names == THIRDS[2]


def test_missing_lists_say_where_they_are_published(photos: Photos) -> None:
    with pytest.raises(ConfigError, match=r"notrash_val.txt.*github.com/garythung/trashnet.*train data"):
        make_split(photos, "official", groups={})


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ((NAMES[0::3], NAMES[1::3], NAMES[2:-1:3]), r"0 listed .*1 are there and not listed.*trash6"),
        ((NAMES[0::3], NAMES[1::3], (*NAMES[2::3], "glass/glass9.jpg")), r"1 listed photographs are not there.*glass9"),
        ((NAMES[0::3], NAMES[1::3], (*NAMES[2::3], NAMES[0])), r"1 are listed twice \(no others\)"),
    ],
)
def test_lists_that_do_not_fit_the_photographs_are_refused(
    photos: Photos, tmp_path: Path, parts: tuple[tuple[str, ...], ...], fault: str
) -> None:
    write_lists(tmp_path, *parts)
    with pytest.raises(ConfigError, match=fault):
        make_split(photos, "official", groups={})


@pytest.mark.parametrize("line", ["glass1.jpg", "glass1.jpg 0", "glass1.jpg 7", "glass1.jpg glass", "a b 1"])
def test_a_malformed_line_is_named(photos: Photos, tmp_path: Path, line: str) -> None:
    write_lists(tmp_path, *THIRDS)
    (tmp_path / LISTS[1]).write_text(f"glass2.jpg 1\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"notrash_val.txt:2: found '{line}'"):
        make_split(photos, "official", groups={})
