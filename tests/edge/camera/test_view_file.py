"""The learnt view of the empty tray, over a restart."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import edge.camera.condition
from edge.camera.condition import Condition, ConditionModel
from edge.camera.view_file import ViewFile
from edge.config import CameraCondition
from edge.domain import Frame, RgbImage

FPS = 15
ALL = (0.0, 0.0, 1.0, 1.0)
BLOCKS = np.random.default_rng(3).integers(60, 190, (24, 32, 1), np.uint8)
TRAY: RgbImage = np.repeat(np.kron(BLOCKS, np.ones((8, 8, 1), np.uint8)), 3, axis=2)  # (192, 256, 3)


def started(path: Path, region: tuple[float, float, float, float] = ALL, source: str = "0") -> ConditionModel:
    return ConditionModel(CameraCondition(), region, ViewFile(path, source))


def show(
    model: ConditionModel, rgb: RgbImage, seconds: float, *, learn: bool = False, from_s: float = 0.0
) -> set[Condition]:
    """What stands in the end."""
    noise = np.random.default_rng(int(from_s))
    standing: frozenset[Condition] = frozenset()
    for i in range(round(seconds * FPS)):
        noisy = np.clip(rgb + noise.normal(0, 1.5, rgb.shape), 0, 255).astype(np.uint8)
        frame = Frame(noisy, from_s + i / FPS, round(from_s * FPS) + i)
        standing = model.judge(frame).standing
        if learn:
            model.learn(frame)
    return set(standing)


@pytest.fixture
def learnt(tmp_path: Path) -> Path:
    path = tmp_path / "view.npz"
    assert show(started(path), TRAY, 2, learn=True) == set()
    return path


def moved(rgb: RgbImage) -> RgbImage:
    return np.roll(rgb, (11, 21), (0, 1))


def test_a_camera_that_was_moved_while_the_bin_was_off_is_found_out(learnt: Path) -> None:
    assert show(started(learnt), moved(TRAY), 5) == {Condition.MOVED}
    assert show(started(learnt), TRAY, 5) == set(), "and one that was not is none"


def test_without_a_file_what_is_seen_first_is_taken_for_good(tmp_path: Path) -> None:
    assert show(started(tmp_path / "view.npz"), moved(TRAY), 5, learn=True) == set()


def test_a_person_has_the_new_view_learnt_and_that_is_kept_instead(learnt: Path) -> None:
    model = started(learnt)
    assert show(model, moved(TRAY), 5) == {Condition.MOVED}
    model.forget()
    assert not learnt.exists()
    assert show(model, moved(TRAY), 3, learn=True, from_s=10) == set()
    assert show(started(learnt), moved(TRAY), 5) == set()
    assert show(started(learnt), TRAY, 5) == {Condition.MOVED}


@pytest.mark.parametrize("other", ["size", "region", "source"])
def test_the_view_of_another_size_region_or_source_is_not_used(learnt: Path, other: str) -> None:
    if other == "size":
        assert show(started(learnt), moved(TRAY)[::2, ::2], 5) == set()
    elif other == "region":
        assert show(started(learnt, (0.0, 0.0, 0.9, 1.0)), moved(TRAY), 5) == set()
    else:
        assert show(started(learnt, source="other/pictures"), moved(TRAY), 5) == set()


@pytest.mark.parametrize("damage", ["cut", "rubbish", "empty", "other"])
def test_a_file_that_cannot_be_read_is_named_and_learnt_anew(
    learnt: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = learnt.read_bytes()
    if damage == "other":
        np.savez(learnt, some=np.zeros(3))
    else:
        learnt.write_bytes(
            {"cut": whole[: len(whole) // 2], "rubbish": b"not a file of arrays" * 99, "empty": b""}[damage]
        )
    model = started(learnt)
    assert show(model, moved(TRAY), 3, learn=True) == set()
    assert "view.npz: not readable" in caplog.text
    assert show(started(learnt), TRAY, 5) == {Condition.MOVED}, "the new view is kept"


def test_a_file_that_cannot_be_written_is_named_and_the_bin_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    model = started(tmp_path / "nowhere" / "view.npz")
    assert show(model, TRAY, 2, learn=True) == set()
    assert "view.npz: not written (" in caplog.text
    assert show(model, moved(TRAY), 5, from_s=10) == {Condition.MOVED}


def test_it_is_written_when_it_was_learnt_and_then_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_s: list[float] = []
    model = started(tmp_path / "view.npz")

    def note(self: ViewFile, fits: object, arrays: object) -> None:
        assert model._before is not None
        written_s.append(model._before.captured_s)

    monkeypatch.setattr(ViewFile, "save", note)
    monkeypatch.setattr(edge.camera.condition, "KEEP_EVERY_S", 600.0)
    show(model, TRAY, 2, learn=True)
    for minute in range(1, 35):
        show(model, TRAY, 1 / FPS, learn=True, from_s=60.0 * minute)
    assert len(written_s) == 4
    assert np.diff(written_s) == pytest.approx([600, 600, 600], abs=61)
