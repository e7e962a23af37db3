from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import ConfigError
from tests.train.data.pictures import Picture, picture, save
from train.data import Photos, groups_file, read_groups, scan, seen_objects
from train.data.find_groups import find_groups, write_groups


def test_only_objects_of_the_other_parts_count_as_seen(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("file", "class", "group", "group_size"), ("a/1.jpg", "a", 3, 2), ("a/2.jpg", "a", 3, 2),
             ("a/3.jpg", "a", 4, 2), ("a/4.jpg", "a", 4, 2), ("a/5.jpg", "a", 0, 1), ("a/6.jpg", "a", 0, 1)]
        )  # fmt: skip
    part = Photos(tmp_path, ("a",), ("a/1.jpg", "a/3.jpg", "a/4.jpg", "a/5.jpg"))
    other = Photos(tmp_path, ("a",), ("a/2.jpg", "a/6.jpg"))
    assert seen_objects(part, [other], read_groups(path)).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n", r"found columns \['a', 'b'\], expected file, class, group, group_size"),
        ("", "found columns None"),
        ("file,class,group,group_size\na/1.jpg,a,1,many\n", r"groups\.csv:2: group_size: .*'many'"),
        ("file,class,group,group_size\na/1.jpg,a\n", r"groups\.csv:2: group_size: "),
    ],
)
def test_a_list_of_groups_that_is_not_one_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "groups.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=fault):
        read_groups(tmp_path / "groups.csv")


def test_groups_stand_beside_the_folder_also_when_it_is_named_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    assert groups_file(Path()) == groups_file(tmp_path / "data") == tmp_path / "data_groups.csv"


def moved(bgr: Picture, degrees: float, scale: float, shift_px: int) -> Picture:
    """The same object elsewhere on a grey board."""
    height, width = bgr.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    matrix[:, 2] += shift_px
    return np.asarray(cv2.warpAffine(bgr, matrix, (width, height), borderValue=(128, 128, 128)), np.uint8)


def test_an_object_is_known_again_turned_shifted_and_smaller(two_classes: Path) -> None:
    original = picture(200, 512, 384)
    for i, (degrees, scale, shift_px) in enumerate([(0, 1, 0), (40, 0.8, 10), (200, 0.7, -15)]):
        save(two_classes / "glass" / f"same{i}.jpg", moved(original, degrees, scale, shift_px))
    groups = find_groups(scan(two_classes), progress=False)
    assert groups == {f"glass/same{i}.jpg": "1" for i in range(3)}


def test_photographs_without_texture_are_alone(two_classes: Path) -> None:
    for i in range(3):
        save(two_classes / "metal" / f"blank{i}.jpg", np.full((192, 256, 3), 200, np.uint8))
    assert find_groups(scan(two_classes), progress=False) == {}


def test_copies_without_texture_are_together_all_the_same(two_classes: Path) -> None:
    for label in ("glass", "metal"):
        save(two_classes / label / "blank.jpg", np.full((192, 256, 3), 200, np.uint8))
    pair = ("glass/blank.jpg", "metal/blank.jpg")
    assert find_groups(scan(two_classes), [pair], progress=False) == dict.fromkeys(pair, "1")


def test_a_set_with_no_features_at_all_has_no_groups(tmp_path: Path) -> None:
    for label in ("glass", "metal"):
        save(tmp_path / label / "blank.png", np.full((64, 64, 3), 200, np.uint8))
    assert find_groups(scan(tmp_path), progress=False) == {}


def test_written_groups_are_read_back_and_name_every_photograph(tmp_path: Path) -> None:
    photos = Photos(tmp_path, ("a", "é"), ("a/1.jpg", "a/2, 3.jpg", "é/1.jpg"))
    groups = {"a/1.jpg": "1", "é/1.jpg": "1"}
    write_groups(photos, groups, tmp_path / "groups.csv")
    assert read_groups(tmp_path / "groups.csv") == groups
    with (tmp_path / "groups.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1:] == [
            ["a/1.jpg", "a", "1", "2"],
            ["a/2, 3.jpg", "a", "0", "1"],
            ["é/1.jpg", "é", "1", "2"],
        ]
    assert [path.name for path in tmp_path.iterdir()] == ["groups.csv"]
