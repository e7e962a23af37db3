from __future__ import annotations

import csv
import os
import random
from pathlib import Path

import numpy as np
import pytest

from edge.bundle.preprocess import Preprocessing
from edge.errors import ConfigError
from train.data import (
    Photos,
    data_sha256,
    find_data,
    load_inputs,
    load_into_memory,
    read_groups,
    reference_split,
    scan,
    seen_objects,
)

with_data = pytest.mark.skipif("SMARTBIN_DATA" not in os.environ, reason="SMARTBIN_DATA is not set: no photographs")


def test_splits_share_no_photograph_and_lose_none(photo_folder: Path) -> None:
    photos = scan(photo_folder)
    split = reference_split(photos)
    parts = [set(part.names) for part in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(photos) == 42
    assert [len(part) for part in parts] == [27, 6, 9]  # of 14 a class: int(9.8), int(2.1), the rest


def test_split_is_the_same_every_time_and_leaves_the_global_generator_alone(photo_folder: Path) -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first, second = (reference_split(scan(photo_folder)) for _ in range(2))
    assert first == second
    assert random.random() == expected


def test_split_shuffles_as_split_folders_does() -> None:
    names = [f"a/{i:02}.jpg" for i in range(20)]
    by_hand = list(names)
    random.seed(1337)
    random.shuffle(by_hand)
    split = reference_split(Photos(Path(), ("a",), tuple(names)))
    assert [*split.train.names, *split.validation.names, *split.test.names] == by_hand
    assert (len(split.train), len(split.validation), len(split.test)) == (14, 3, 3)


@pytest.mark.data
@with_data
def test_trashnet_splits_into_the_reference_counts() -> None:
    split = reference_split(scan(find_data(None)))
    assert (len(split.train), len(split.validation), len(split.test)) == (1766, 377, 384)
    assert sum(name.startswith("trash/") for name in split.test.names) == 22


@pytest.mark.data
@with_data
def test_75_reference_test_photographs_show_an_object_seen_before() -> None:
    root = find_data(None)
    split = reference_split(scan(root))
    groups = read_groups(root.with_name("trashnet_groups.csv"))
    assert len(groups) == 595 and len(set(groups.values())) == 203
    assert seen_objects(split.test, (split.train, split.validation), groups).sum() == 75


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


def test_data_hash_changes_with_a_byte_and_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(b"one")
    before = data_sha256(Photos(tmp_path, ("a",), ("a/1.jpg",)))
    (tmp_path / "a" / "1.jpg").rename(tmp_path / "a" / "2.jpg")
    renamed = data_sha256(Photos(tmp_path, ("a",), ("a/2.jpg",)))
    (tmp_path / "a" / "2.jpg").write_bytes(b"two")
    assert len({before, renamed, data_sha256(Photos(tmp_path, ("a",), ("a/2.jpg",)))}) == 3


def test_inputs_are_squares_and_memory_keeps_the_aspect(photo_folder: Path) -> None:
    photos = reference_split(scan(photo_folder)).test
    spec = Preprocessing(size_px=32, resize="squash", interpolation="area", colour="rgb")
    assert load_inputs(photos, spec).shape == (9, 32, 32, 3)
    assert {rgb.shape for rgb in load_into_memory(photos, 24)} == {(24, 32, 3)}
    assert {rgb.shape for rgb in load_into_memory(photos, 480)} == {(48, 64, 3)}  # never enlarged
    assert np.all(photos.targets == [0, 0, 0, 1, 1, 1, 2, 2, 2])


def test_missing_data_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SMARTBIN_DATA", raising=False)
    with pytest.raises(ConfigError, match=r"give --data DIR.*SMARTBIN_DATA.*github.com/garythung/trashnet"):
        find_data(None)
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        find_data(tmp_path / "nowhere")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found 0 class folders, expected at least two"):
        scan(tmp_path)
    (tmp_path / "glass").mkdir()
    (tmp_path / "metal").mkdir()
    with pytest.raises(ConfigError, match=r"glass: no photographs \(.*\.jpg"):
        scan(tmp_path)
