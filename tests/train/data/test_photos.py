from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edge.bundle.preprocess import Preprocessing
from edge.errors import ConfigError
from train.data import Photos, data_sha256, find_data, load_inputs, load_into_memory, reference_split, scan


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
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        scan(tmp_path / "nowhere")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found 0 class folders, expected at least two"):
        scan(tmp_path)
    (tmp_path / "glass").mkdir()
    with pytest.raises(ConfigError, match=r"found 1 class folders \(glass\), expected at least two"):
        scan(tmp_path)
    (tmp_path / "metal").mkdir()
    with pytest.raises(ConfigError, match=r"glass: no photographs \(.*\.jpg"):
        scan(tmp_path)


def test_photographs_in_folders_of_a_class_folder_are_spoken_of(tmp_path: Path) -> None:
    for label in ("glass", "metal"):
        (tmp_path / label / "2024").mkdir(parents=True)
        (tmp_path / label / "2024" / "1.jpg").touch()
    with pytest.raises(ConfigError, match=r"glass: no photographs .*it holds 1 folders \(2024, …\): move"):
        scan(tmp_path)


def test_any_name_that_is_a_pictures_is_found_and_no_other(tmp_path: Path) -> None:
    for label in ("verre à vin", "metal"):
        (tmp_path / label).mkdir()
    wanted = ["metal/a b.PNG", "metal/ガラス.webp", "verre à vin/1.JPG", "verre à vin/é.jpeg"]
    for name in [*wanted, "metal/notes.txt", "metal/.hidden.jpg", "metal/._1.jpg", "metal/jpg", "cover.jpg"]:
        (tmp_path / name).touch()
    (tmp_path / "metal" / "folder.jpg").mkdir()
    (tmp_path / ".cache").mkdir()
    assert list(scan(tmp_path).names) == sorted(wanted)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    for label in ("glass", "metal"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.jpg").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/metal/caf\xe9.jpg")).touch()
    with pytest.raises(ConfigError, match=r"name is not UTF-8 \(.*caf"):
        scan(tmp_path)


def test_links_are_followed_and_broken_ones_are_kept_in_sight(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for name in ("glass/1.jpg", "metal/1.jpg"):
        (store / name).parent.mkdir(parents=True)
        (store / name).touch()
    root = tmp_path / "data"
    (root / "metal").mkdir(parents=True)
    (root / "glass").symlink_to(store / "glass")
    (root / "metal" / "1.jpg").symlink_to(store / "metal" / "1.jpg")
    (root / "metal" / "2.jpg").symlink_to(store / "metal" / "gone.jpg")
    assert scan(root).names == ("glass/1.jpg", "metal/1.jpg", "metal/2.jpg")


def test_a_large_folder_is_scanned_without_opening_a_file(tmp_path: Path) -> None:
    for label in ("glass", "metal"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.jpg").touch()  # empty: decoding it would fail
        for i in range(1, 5000):
            os.link(tmp_path / label / "0.jpg", tmp_path / label / f"{i}.jpg")
    photos = scan(tmp_path)
    assert len(photos) == 10_000
    assert len(reference_split(photos).train) == 7_000
