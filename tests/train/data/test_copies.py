from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import UnreadablePicture
from tests.train.data.pictures import Picture, picture, save
from train.data import conflicting, find_data, scan
from train.data.copies import Copies, conflicts, find_copies, thumbnails


def copies_in(root: Path) -> list[Copies]:
    photos = scan(root)
    return find_copies(photos, thumbnails(photos))


def test_different_photographs_are_no_copies(two_classes: Path) -> None:
    assert copies_in(two_classes) == []
    assert conflicting(scan(two_classes)) == {}


def test_a_copy_under_another_label_is_a_conflict_for_both(two_classes: Path) -> None:
    (two_classes / "metal" / "again.jpg").write_bytes((two_classes / "glass" / "glass1.jpg").read_bytes())
    assert copies_in(two_classes) == [Copies("glass/glass1.jpg", "metal/again.jpg", exact=True)]
    assert conflicting(scan(two_classes)) == {
        "glass/glass1.jpg": ("metal/again.jpg",),
        "metal/again.jpg": ("glass/glass1.jpg",),
    }


def test_a_copy_in_its_own_class_is_no_conflict(two_classes: Path) -> None:
    (two_classes / "metal" / "again.jpg").write_bytes((two_classes / "metal" / "metal1.jpg").read_bytes())
    assert [pair.exact for pair in copies_in(two_classes)] == [True]
    assert conflicting(scan(two_classes)) == {}


def squashed_and_back(bgr: Picture) -> Picture:
    height, width = bgr.shape[:2]
    portrait = cv2.resize(bgr, (height, width), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(portrait, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(
    "changed",
    [
        lambda bgr: bgr,  # encoded anew, at another quality
        lambda bgr: bgr[::-1, ::-1],  # turned by 180 degrees
        lambda bgr: cv2.resize(bgr, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        squashed_and_back,
    ],
    ids=["re-encoded", "turned", "smaller", "squashed and back"],
)
def test_a_copy_is_known_again_when_it_was(two_classes: Path, changed: Callable[[Picture], Picture]) -> None:
    original = picture(100, 512, 384)
    save(two_classes / "glass" / "new.jpg", original)
    save(two_classes / "metal" / "new.jpg", changed(original), quality=60)
    assert copies_in(two_classes) == [Copies("glass/new.jpg", "metal/new.jpg", exact=False)]


def test_a_photograph_with_one_small_thing_more_is_another_photograph(two_classes: Path) -> None:
    original = picture(100, 512, 384)
    save(two_classes / "glass" / "new.jpg", original)
    cv2.circle(original, (256, 192), 12, (255, 0, 255), -1)
    save(two_classes / "metal" / "new.jpg", original)
    assert copies_in(two_classes) == []


def test_three_copies_under_three_labels_each_have_two_others() -> None:
    names = ("glass/1.jpg", "metal/1.jpg", "paper/1.jpg")
    pairs = [Copies(names[i], names[j], exact=True) for i, j in ((1, 2), (0, 2), (0, 1))]
    assert conflicts(pairs) == {name: tuple(sorted(set(names) - {name})) for name in names}


def test_a_file_that_is_no_picture_is_named(two_classes: Path) -> None:
    (two_classes / "metal" / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(UnreadablePicture, match=r"broken\.jpg: not a picture"):
        conflicting(scan(two_classes))


@pytest.mark.data
def test_trashnet_holds_three_photographs_under_two_labels_each(data: Path) -> None:
    assert conflicting(scan(find_data(None))) == {
        "glass/glass115.jpg": ("metal/metal91.jpg",),
        "glass/glass176.jpg": ("plastic/plastic152.jpg",),
        "glass/glass389.jpg": ("plastic/plastic332.jpg",),
        "metal/metal91.jpg": ("glass/glass115.jpg",),
        "plastic/plastic152.jpg": ("glass/glass176.jpg",),
        "plastic/plastic332.jpg": ("glass/glass389.jpg",),
    }
