from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from edge.domain import Box, RgbImage
from train import crops
from train.config import AugmentConfig, ScenesConfig
from train.crops import SEE_THROUGH, CropMaker, Photograph
from train.cutout import Cutout
from train.mixing import EMPTY
from train.scenes.backgrounds import Backgrounds

LABELS = ("glass", "metal", "plastic")
BOARD, ITEM, PX = (200, 200, 200), (220, 20, 20), 48
STILL = {
    "area": (1, 1), "aspect": (4 / 3, 4 / 3), "quarter_turns": False, "brightness": 0, "contrast": 0, "saturation": 0,
    "hue_degrees": 0, "camera": 0,
}  # fmt: skip


class GreenTray(Backgrounds):
    """Every tray is green, so that a composed crop is known by its ground."""

    def __init__(self) -> None:
        self.drawn = 0

    def draw(self, rng: np.random.Generator, size_px: int) -> RgbImage:
        self.drawn += 1
        return np.full((size_px, size_px, 3), (20, 160, 40), np.uint8)


def photograph(*, cut: bool = True, colour: tuple[int, int, int] = ITEM) -> Photograph:
    """A red rectangle in the middle of a white board."""
    rgb = np.full((60, 80, 3), BOARD, np.uint8)
    rgb[20:40, 25:55] = colour
    alpha = np.zeros((60, 80), np.uint8)
    alpha[20:40, 25:55] = 255
    field = np.full((12, 16, 3), BOARD, np.uint8)
    cutout = Cutout(alpha, np.full_like(alpha, 255), field, Box(25, 20, 55, 40), (False,) * 4)
    return Photograph(rgb, cutout if cut else None)


def maker(photographs: list[Photograph], targets: list[int], scenes: ScenesConfig | None, **bent: Any) -> CropMaker:
    config = AugmentConfig.model_validate(STILL | bent | {"scenes": scenes})
    return CropMaker(photographs, np.array(targets), LABELS, config, GreenTray() if scenes else None)


def all_of(kind: str) -> ScenesConfig:
    """Every crop of one kind; an empty tray's share is at most a fifth."""
    return ScenesConfig.model_validate({"composed": 0, "followed": 0} | {kind: 0.2 if kind == "empty" else 1.0})


def kind_of(crop: RgbImage, target: int) -> str:
    """What a crop shows, by its ground and by how much of it the item fills."""
    red = (crop[..., 0] > 120) & (crop[..., 1] < 90)
    if target == EMPTY:
        assert not red.any()
        return "empty"
    if (crop[..., 1] > 1.5 * crop[..., 0]).mean() > 0.2:
        return "composed"
    return "followed" if red.mean() > 0.2 else "plain"


def test_kinds_are_drawn_with_the_configured_shares() -> None:
    shown = maker([photograph()], [1], ScenesConfig(composed=0.4, followed=0.2, empty=0.1))
    rng = np.random.default_rng(0)
    kinds = [kind_of(*shown.make(0, PX, rng)) for _ in range(600)]
    shares = {kind: kinds.count(kind) / 600 for kind in ("composed", "followed", "empty", "plain")}
    assert shares == pytest.approx({"composed": 0.4, "followed": 0.2, "empty": 0.1, "plain": 0.3}, abs=0.05)


def test_a_config_without_scenes_shows_only_the_photographs_themselves() -> None:
    shown = maker([photograph()], [1], None)
    rng = np.random.default_rng(0)
    assert {kind_of(*shown.make(0, PX, rng)) for _ in range(50)} == {"plain"}


def test_crops_are_contiguous_squares_of_uint8_with_their_class() -> None:
    shown = maker([photograph()], [2], ScenesConfig(composed=0.4, followed=0.3, empty=0.2), camera=0.5)
    rng = np.random.default_rng(0)
    for _ in range(40):
        crop, target = shown.make(0, PX, rng)
        assert crop.shape == (PX, PX, 3) and crop.dtype == np.uint8 and crop.flags.c_contiguous
        assert target in (2, EMPTY)


def test_the_same_generator_gives_the_same_crop() -> None:
    shown = maker([photograph()], [1], ScenesConfig(composed=0.5, followed=0.2, empty=0.1), camera=0.5)
    first, second, other = (shown.make(0, PX, np.random.default_rng(seed))[0] for seed in (3, 3, 4))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


@pytest.mark.parametrize("kind", ["composed", "followed"])
def test_another_of_the_class_stands_in_for_a_photograph_without_cut_out(kind: str) -> None:
    shown = maker([photograph(cut=False), photograph(), photograph(colour=(20, 20, 220))], [1, 1, 0], all_of(kind))
    crop, target = shown.make(0, PX, np.random.default_rng(0))
    assert (kind_of(crop, target), target) == (kind, 1)


def test_a_sheet_is_the_whole_photograph_on_another_tray_whether_it_was_cut_out_or_not() -> None:
    shown = maker([photograph(cut=False), photograph()], [1, 0], all_of("sheet"))
    rng = np.random.default_rng(0)
    for photo, wanted in ((0, 1), (1, 0)):
        crop, target = shown.make(photo, PX, rng)
        board = (np.abs(crop.astype(int) - BOARD) < 40).all(axis=2).mean()
        tray = (crop[..., 1] > 1.5 * crop[..., 0]).mean()
        assert target == wanted and board > 0.02 and tray > 0.02, (board, tray)
    assert isinstance(shown.backgrounds, GreenTray) and shown.backgrounds.drawn == 2


@pytest.mark.parametrize("kind", ["composed", "followed"])
def test_where_none_of_the_class_is_cut_out_the_crop_is_plain(kind: str) -> None:
    shown = maker([photograph(cut=False), photograph()], [1, 0], all_of(kind))
    crop, target = shown.make(0, PX, np.random.default_rng(0))
    assert (kind_of(crop, target), target) == ("plain", 1)
    assert isinstance(shown.backgrounds, GreenTray) and shown.backgrounds.drawn == 0


def test_a_validation_photograph_is_composed_itself_or_not_at_all() -> None:
    shown = maker([photograph(cut=False), photograph()], [1, 1], all_of("composed"))
    assert kind_of(shown.composed(0, PX, np.random.default_rng(0)), 1) == "plain"
    assert kind_of(shown.composed(1, PX, np.random.default_rng(0)), 1) == "composed"


def test_only_the_named_classes_are_seen_through_and_no_further_than_named(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []

    def place(rgb: RgbImage, *_: Any, see_through: float, **__: Any) -> RgbImage:
        drawn.append(see_through)
        return np.zeros((PX, PX, 3), np.uint8)

    monkeypatch.setattr(crops, "place", place)
    shown = maker([photograph()] * 3, [0, 1, 2], all_of("composed"))
    rng = np.random.default_rng(0)
    for photo, label in enumerate(LABELS):
        drawn.clear()
        for _ in range(200):
            shown.composed(photo, PX, rng)
        most = SEE_THROUGH.get(label, 0.0)
        assert max(drawn) == pytest.approx(most, rel=0.02) and min(drawn) == 0
        if most:
            assert 30 <= drawn.count(0.0) <= 70, "a quarter is opaque"


def test_a_followed_crop_holds_the_whole_item_and_a_margin() -> None:
    shown = maker([photograph()], [1], all_of("followed"))
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(60):
        crop, _ = shown.make(0, 96, rng)
        red = (crop[..., 0] > 120) & (crop[..., 1] < 90)
        shares.append(red.mean())
        assert not red[[0, -1]].all() and not red[:, [0, -1]].all()
    assert min(shares) < 0.4 and max(shares) > 0.55
    assert min(shares) > 0.24  # the widest margin: 30 x 20 in (30 + 24) x (20 + 24)


def test_a_followed_item_at_the_photograph_s_edge_stays_inside_it() -> None:
    rgb = np.full((60, 80, 3), ITEM, np.uint8)
    alpha = np.full((60, 80), 255, np.uint8)
    whole = Cutout(alpha, alpha, np.full((12, 16, 3), BOARD, np.uint8), Box(0, 0, 80, 60), (True,) * 4)
    crop, _ = maker([Photograph(rgb, whole)], [0], all_of("followed")).make(0, PX, np.random.default_rng(0))
    assert np.array_equal(crop, np.full((PX, PX, 3), ITEM, np.uint8))
