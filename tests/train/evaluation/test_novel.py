"""Pictures of what is not waste, and whether a bundle notices."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.errors import UnreadablePicture
from train.evaluation.answers import Answers
from train.evaluation.novel import ALL, auroc, novelty
from train.evaluation.novel_pictures import FOOTAGE, footage_frames, hand, novel_pictures


@pytest.fixture(scope="module")
def pictures() -> dict[str, list[np.ndarray]]:
    return novel_pictures()


def test_there_are_at_least_a_dozen_different_pictures_of_each_kind(pictures: dict[str, list[np.ndarray]]) -> None:
    assert list(pictures) == ["empty tray", "open flap", "hand", "plain board", "stripes", "noise"]
    for kind in pictures.values():
        assert len({picture.tobytes() for picture in kind}) == len(kind) >= 12
        assert all(picture.shape == (384, 512, 3) and picture.dtype == np.uint8 for picture in kind)
        assert all(picture.std() > 1 for picture in kind)


def test_the_same_pictures_are_drawn_every_time(pictures: dict[str, list[np.ndarray]]) -> None:
    again = novel_pictures()
    assert all(np.array_equal(a, b) for kind in pictures for a, b in zip(pictures[kind], again[kind], strict=True))


def test_a_hand_comes_in_from_one_side_of_the_picture() -> None:
    for seed in range(6):
        picture = hand(np.random.default_rng(seed)).astype(int)
        # The middle shows skin: more red than blue, whatever its tone.
        middle = picture[172:212, 236:276]
        assert (middle[:, :, 0] > middle[:, :, 2] + 15).mean() > 0.8


def test_footage_frames_show_no_item() -> None:
    found = footage_frames(FOOTAGE)
    bright = [frame[100:280, 130:380].mean() for frame in found["empty tray"]]
    dark = [frame[200:300, 130:380].mean() for frame in found["open flap"]]
    assert len(bright) == len(dark) == 12
    assert np.ptp(bright) < 3 and np.ptp(dark) < 3  # alike: an item would stand out
    assert min(bright) > 120 > 60 > max(dark)


def test_footage_that_is_missing_or_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match=r"chapters\.json: no chapters of the footage"):
        footage_frames(tmp_path)
    shutil.copyfile(FOOTAGE / "chapters.json", tmp_path / "chapters.json")
    with pytest.raises(UnreadablePicture, match=r"tray\.mp4: missing or cut short"):
        footage_frames(tmp_path)


def test_auroc_is_the_probability_of_the_right_order_with_ties_by_half() -> None:
    assert auroc(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1.0
    assert auroc(np.array([1.0]), np.array([2.0])) == 0.0
    assert auroc(np.array([2.0]), np.array([1.0, 2.0, 3.0])) == 0.5
    assert auroc(np.array([2.0, 0.0]), np.array([1.0])) == 0.5


def outputs(*logits: tuple[float, float]) -> Answers:
    return Answers(np.array(logits, np.float32), np.zeros((len(logits), 2, 7, 7), np.float32))


def test_what_is_novel_and_what_is_only_unsure_are_both_kept_back() -> None:
    manifest: Any = SimpleNamespace(
        name="test",
        labels=["glass", "metal"],
        temperature=1.0,
        acceptance={"glass": 0.9, "metal": 0.9},
        contamination=[],
        novelty=SimpleNamespace(threshold=-2.0),
    )
    waste = outputs((9, 0), (0, 8))
    others = {
        "hand": outputs((0.5, 0.4)),  # faint: novel
        "flap": outputs((5, 5), (20, 0)),  # unsure; and taken for glass
    }
    everything, novel, flap = novelty(manifest, waste, others)
    assert (everything.kind, everything.novel.right, everything.kept_back.right) == (ALL, 1, 2)
    assert (everything.novel.total, novel.auroc, flap.auroc) == (3, 1.0, 0.5)
    assert (novel.novel.right, novel.kept_back.right) == (1, 1)
    assert (flap.novel.right, flap.kept_back.right, flap.kept_back.total) == (0, 1, 2)
    assert str(flap) == "AUROC 0.500, novel 0/2, kept back 1/2"
