from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.data.pictures import picture, save
from train.data import check_readable, scan
from train.data.readable import read_size


def test_whole_photographs_of_every_kind_pass(two_classes: Path) -> None:
    for suffix in (".png", ".bmp", ".webp", ".JPEG"):
        save(two_classes / "glass" / f"é {suffix[1:]}{suffix}", picture(50))
    assert check_readable(scan(two_classes)) == {}


def damaged(name: str, whole: bytes) -> bytes:
    return {"empty.jpg": b"", "text.jpg": b"hello", "cut.jpg": whole[: len(whole) // 2], "head.jpg": whole[:40]}[name]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("empty.jpg", "not a picture"), ("text.jpg", "not a picture"), ("head.jpg", ""), ("cut.jpg", "truncated")],
)
def test_a_damaged_file_is_named_with_its_fault_and_the_others_are_not(
    two_classes: Path, name: str, reason: str
) -> None:
    whole = (two_classes / "glass" / "glass0.jpg").read_bytes()
    (two_classes / "metal" / name).write_bytes(damaged(name, whole))
    faults = check_readable(scan(two_classes))
    assert list(faults) == [f"metal/{name}"]
    assert reason in faults[f"metal/{name}"]


def test_a_link_that_leads_nowhere_is_named(two_classes: Path) -> None:
    (two_classes / "metal" / "link.jpg").symlink_to(two_classes / "gone.jpg")
    assert "No such file" in check_readable(scan(two_classes))["metal/link.jpg"]


def test_a_size_is_width_and_height(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(0, 40, 30))
    assert read_size(tmp_path / "a.jpg") == (40, 30)
