"""What the condition model says of frames: of the shipped footage, of a bad camera's, and of an honest one's tricks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest

import edge.camera.condition
from edge.camera.condition import Condition, ConditionModel
from edge.config import CameraCondition
from edge.domain import Frame, RgbImage
from edge.sim.clip import FOOTAGE, Clip, read_chapters

FPS = 15
ALL = (0.0, 0.0, 1.0, 1.0)
Picture = Callable[[RgbImage], RgbImage]


@cache
def footage(number: int) -> RgbImage:
    chapters = read_chapters(FOOTAGE / "chapters.json")
    clip = Clip(FOOTAGE / "tray.mp4", chapters)
    try:
        return clip.picture(number)
    finally:
        clip.close()


def empty() -> RgbImage:
    return footage(0)


def bottle() -> RgbImage:
    return footage(10)


def cardboard() -> RgbImage:
    return footage(32)


class Watched:
    """A model that has learnt the empty tray, and what a camera shows it. Every picture gets noise of its own."""

    def __init__(self, tray: RgbImage | None = None, *, learn: bool = True, **settings: Any) -> None:
        self.model = ConditionModel(CameraCondition(**settings), ALL)
        self._noise = np.random.default_rng(7).normal(0, 1, (821, 1400, 3)).astype(np.float32)
        self._seq = 0
        if learn:
            for _ in range(20):
                frame = self.frame(empty() if tray is None else tray)
                assert self.model.judge(frame).unfit == frozenset()
                self.model.learn(frame)

    def frame(self, rgb: RgbImage, *, noise: float = 1.5) -> Frame:
        self._seq += 1
        down, across = self._seq * 37 % 101, self._seq * 23 % 89  # the same field, elsewhere: as good as a new one
        field = self._noise[down : down + rgb.shape[0], across : across + rgb.shape[1]]
        noisy = np.clip(rgb + noise * field, 0, 255).astype(np.uint8)
        return Frame(noisy, self._seq / FPS, self._seq)

    def show(self, rgb: RgbImage, seconds: float, *, noise: float = 1.5) -> Iterator[frozenset[Condition]]:
        """What stands, frame by frame."""
        for _ in range(round(seconds * FPS)):
            yield self.model.judge(self.frame(rgb, noise=noise)).standing

    def after(self, rgb: RgbImage, seconds: float = 4.0, *, noise: float = 1.5) -> set[Condition]:
        """What stands in the end."""
        return set(list(self.show(rgb, seconds, noise=noise))[-1])


def blurred(rgb: RgbImage, sigma_px: float = 4.0) -> RgbImage:
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma_px), np.uint8)


def moved(rgb: RgbImage, right: float = 0, down: float = 0, turn_deg: float = 0, zoom: float = 1) -> RgbImage:
    height, width = rgb.shape[:2]
    by = cv2.getRotationMatrix2D((width / 2, height / 2), turn_deg, zoom)
    by[:, 2] += (right, down)
    return np.asarray(cv2.warpAffine(rgb, by, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def lit(rgb: RgbImage, gain: float) -> RgbImage:
    return np.clip(rgb.astype(np.float32) * gain, 0, 255).astype(np.uint8)


def all_of(grey: int) -> RgbImage:
    return np.full_like(empty(), grey)


@pytest.mark.parametrize(
    ("rgb", "condition"),
    [
        (lambda: all_of(5), Condition.DARK),
        (lambda: lit(bottle(), 0.05), Condition.DARK),
        (lambda: lit(empty(), 5), Condition.OVEREXPOSED),
        (lambda: all_of(255), Condition.OVEREXPOSED),
        (lambda: blurred(empty(), 2), Condition.BLURRED),
        (lambda: blurred(empty(), 8), Condition.BLURRED),
        (lambda: blurred(bottle()), Condition.BLURRED),
        (lambda: blurred(lit(empty(), 0.5)), Condition.BLURRED),
        (lambda: moved(empty(), 12, 5), Condition.MOVED),
        (lambda: moved(empty(), -40, 20), Condition.MOVED),
        (lambda: moved(bottle(), 50, 25), Condition.MOVED),
        (lambda: moved(bottle(), 60, 30), Condition.MOVED),
        (lambda: moved(cardboard(), -110, 40), Condition.MOVED),
        (lambda: moved(empty(), 60), Condition.MOVED),  # along its straight edges
        (lambda: moved(empty(), turn_deg=4), Condition.MOVED),
        (lambda: moved(cardboard(), turn_deg=-3), Condition.MOVED),
        (lambda: moved(lit(empty(), 0.6), 30), Condition.MOVED),
    ],
)
def test_a_bad_camera_is_named_and_nothing_else_is(rgb: Callable[[], RgbImage], condition: Condition) -> None:
    watched = Watched()
    assert watched.after(rgb()) == {condition}
    assert watched.after(empty(), 1.5) == set(), "and it is over when it is over"


@pytest.mark.parametrize(
    "rgb",
    [
        lambda: lit(empty(), 0.4),
        lambda: lit(empty(), 1.15),
        lambda: moved(empty(), 2, 1),  # half a per cent: the building trembles
        lambda: blurred(empty(), 0.6),
        lambda: (empty() * np.linspace(0.5, 1.1, empty().shape[1])[:, np.newaxis]).clip(0, 255).astype(np.uint8),
    ],
)
def test_light_and_trembling_are_no_fault(rgb: Callable[[], RgbImage]) -> None:
    watched = Watched()
    assert all(standing == frozenset() for standing in watched.show(rgb(), 10))


def test_no_item_of_the_footage_is_a_fault_however_long_it_lies() -> None:
    watched = Watched(lost_s=5)
    for item in read_chapters(FOOTAGE / "chapters.json").items:
        assert all(standing == frozenset() for standing in watched.show(footage(item.still[0]), 6)), item.name


def test_a_noisier_picture_is_no_sharper_or_less_sharp() -> None:
    watched = Watched()
    assert watched.after(empty(), noise=6) == set()
    assert watched.after(blurred(empty(), 4), noise=2.5) == {Condition.BLURRED}


def test_a_sheet_that_hides_most_of_the_tray_is_neither_blur_nor_a_moved_view() -> None:
    sheet = empty().copy()
    sheet[20:, 30:-30] = 235
    watched = Watched()
    assert all(standing == frozenset() for standing in watched.show(sheet, 30))


def card(grey: int, share: float, right: int, down: int, turn_deg: float) -> RgbImage:
    """The tray with a card on it, of so large a share of its width and height."""
    tray = empty().copy()
    height, width = tray.shape[:2]
    box = cv2.boxPoints(((width / 2 + right, height / 2 + down), (share * width, share * height), turn_deg))
    return np.asarray(cv2.fillConvexPoly(tray, box.round().astype(np.int32), (grey, grey, grey)), np.uint8)


@pytest.mark.parametrize("grey", [15, 40, 80, 140, 220])
def test_a_large_card_whose_edges_lie_near_the_rim_is_no_moved_view(grey: int) -> None:
    """Its edges look like the rim's, a little further in."""
    watched = Watched()
    for place in (
        (0.8, 0, 0, 0),
        (0.88, 0, 0, 0),
        (0.8, 20, -10, 0),
        (0.65, -50, 30, 0),
        (0.65, 10, 0, 17),
        (0.5, 60, 40, -9),
    ):
        assert all(standing == frozenset() for standing in watched.show(card(grey, *place), 5)), place


def test_a_view_that_shows_nothing_of_the_tray_has_moved_but_only_after_a_long_time() -> None:
    away = np.random.default_rng(0).integers(60, 200, (6, 8, 3), np.uint8)
    elsewhere = np.asarray(cv2.resize(away, (512, 384), interpolation=cv2.INTER_CUBIC), np.uint8)
    watched = Watched(lost_s=20)
    standing = list(watched.show(elsewhere, 25))
    at = next(i for i, conditions in enumerate(standing) if conditions)
    assert 20 <= at / FPS < 22
    assert standing[at] == {Condition.MOVED}


@pytest.mark.parametrize(
    "picture",
    [
        lambda seq: np.random.default_rng(seq).integers(0, 256, empty().shape, np.uint8),
        lambda seq: np.full_like(empty(), (0, 135, 0)),  # what a decoder gives that was sent nothing
        lambda seq: np.full_like(empty(), 128),
        lambda seq: np.broadcast_to(np.linspace(70, 150, empty().shape[1]).astype(np.uint8)[:, None], empty().shape),
    ],
    ids=["noise", "green", "grey", "a sheet before the lens"],
)
def test_pictures_of_nothing_are_garbled_and_unfit_at_once(picture: Callable[[int], RgbImage]) -> None:
    watched = Watched()
    verdicts = [watched.model.judge(watched.frame(picture(seq))) for seq in range(4 * FPS)]
    first = next(i for i, verdict in enumerate(verdicts) if verdict.unfit)
    assert first <= round(edge.camera.condition.CHECK_S * FPS)
    assert all(verdict.unfit == {Condition.GARBLED} for verdict in verdicts[first:])
    assert verdicts[-1].standing == {Condition.GARBLED}, "and told"
    assert watched.after(empty()) == set()


def test_a_hand_that_rummages_everywhere_is_no_garbled_picture() -> None:
    watched = Watched()
    for step in range(5 * FPS):
        rgb = empty().copy()
        left = 40 * step % (rgb.shape[1] - 200)
        rgb[:, left : left + 200] = bottle()[:, ::-1][:, left : left + 200] // 2 + 60
        assert watched.model.judge(watched.frame(rgb)).standing == frozenset()


def test_the_same_picture_in_fresh_frames_is_frozen_after_its_time_and_one_other_pixel_ends_it() -> None:
    watched = Watched(frozen_s=2, clear_s=0.5)
    same = watched.frame(empty()).rgb
    times = []
    for _ in range(4 * FPS):
        watched._seq += 1
        if Condition.FROZEN in watched.model.judge(Frame(same, watched._seq / FPS, watched._seq)).standing:
            times.append(watched._seq / FPS)
    assert len(times) == pytest.approx(2 * FPS, abs=2)
    assert Condition.FROZEN in watched.after(empty(), 0.4), "not at once"
    assert watched.after(empty(), 0.3) == set()


def test_the_same_frame_looked_at_again_is_not_frozen() -> None:
    watched = Watched(frozen_s=1)
    frame = watched.frame(empty())
    for _ in range(100):
        assert watched.model.judge(frame).unfit == frozenset()


def test_a_black_picture_is_dark_and_not_frozen_too() -> None:
    watched = Watched(frozen_s=1)
    assert watched.after(all_of(0), noise=0) == {Condition.DARK}


@pytest.mark.parametrize(
    "rgb",
    [lambda: all_of(3), lambda: all_of(255), lambda: blurred(empty()), lambda: moved(empty(), 30)],
    ids=["dark", "white", "blurred", "moved"],
)
def test_a_bad_frame_is_unfit_at_once_and_a_fault_only_when_it_lasts(rgb: Callable[[], RgbImage]) -> None:
    watched = Watched()
    assert watched.after(empty(), 1) == set()
    first = [watched.model.judge(watched.frame(rgb())) for _ in range(4)]  # CHECK_S is three frames
    assert first[-1].unfit and first[-1].standing == frozenset()
    assert watched.after(empty(), 2) == set()
    assert watched.model.judge(watched.frame(empty())).unfit == frozenset()


def test_a_moment_of_blur_is_no_fault() -> None:
    watched = Watched(view_s=3)
    for _ in range(4):
        assert watched.after(blurred(empty()), 2) == set()
        assert watched.after(empty(), 0.5) == set()


def test_what_stands_is_unfit() -> None:
    watched = Watched()
    watched.after(blurred(empty()))
    assert watched.model.judge(watched.frame(blurred(empty()))).unfit == {Condition.BLURRED}


def test_before_the_tray_is_learnt_only_light_and_freezing_are_judged() -> None:
    watched = Watched(learn=False)
    assert watched.after(blurred(empty()), 5) == set()
    assert watched.after(all_of(2), 1) == {Condition.DARK}


def test_a_plain_tray_without_a_rim_says_nothing_about_sharpness_or_place() -> None:
    watched = Watched(all_of(150))
    assert watched.after(blurred(all_of(150)), 5) == set()
    assert watched.after(bottle(), 5) == set()


def test_a_new_place_is_learnt_on_request() -> None:
    watched = Watched()
    new_place = moved(empty(), 40, 20)
    assert watched.after(new_place) == {Condition.MOVED}
    watched.model.forget()
    for _ in range(20):
        frame = watched.frame(new_place)
        assert watched.model.judge(frame).unfit == frozenset()
        watched.model.learn(frame)
    assert watched.after(new_place) == set()
    assert watched.after(empty()) == {Condition.MOVED}


def test_another_picture_size_starts_anew() -> None:
    watched = Watched()
    half = np.asarray(cv2.resize(blurred(empty()), None, fx=0.5, fy=0.5), np.uint8)
    assert watched.after(half, 5) == set()


def test_what_comes_slowly_is_followed_and_what_comes_fast_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.camera.condition, "ADAPT_S", 20 * 60.0)
    dull = blurred(empty(), 1.5)
    assert Watched().after(dull) == {Condition.BLURRED}
    watched = Watched()
    for sigma_px in np.linspace(0.3, 1.5, 100):
        watched._seq += 60 * FPS
        frame = watched.frame(blurred(empty(), float(sigma_px)))
        assert watched.model.judge(frame).unfit == frozenset()
        watched.model.learn(frame)
    assert watched.after(dull) == set()


def test_each_comparison_can_be_turned_off() -> None:
    watched = Watched(blurred_share=0, moved_share=1, lost_s=3600)
    assert watched.after(blurred(empty())) == set()
    assert watched.after(moved(empty(), 40)) == set()


@pytest.mark.parametrize("size", [(64, 48), (160, 120), (1280, 720), (333, 517)])
def test_any_size_of_picture_will_do(size: tuple[int, int]) -> None:
    tray = np.asarray(cv2.resize(empty(), size, interpolation=cv2.INTER_AREA), np.uint8)
    watched = Watched(tray)
    assert watched.after(tray, 1) == set()
    assert watched.after(moved(tray, size[0] / 10), 4) == {Condition.MOVED}
