from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.augment import augment, draw_epoch, recolour, turn
from train.config import AugmentConfig, load_config

SHIPPED = load_config(Path(__file__).parents[2] / "configs" / "train" / "resnet50.yaml").finetune.augment
STILL = AugmentConfig(
    area=(1, 1), aspect=(4 / 3, 4 / 3), quarter_turns=False, brightness=0, contrast=0, saturation=0, hue_degrees=0,
    camera=0,
)  # fmt: skip


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def drawn(seed: int, config: AugmentConfig = SHIPPED, crop_px: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return recolour(augment(picture(), config, crop_px, rng), config, rng)


@pytest.mark.parametrize("crop_px", [32, 192])
def test_crops_are_squares_of_uint8(crop_px: int) -> None:
    crop = drawn(1, crop_px=crop_px)
    assert crop.shape == (crop_px, crop_px, 3) and crop.dtype == np.uint8 and crop.flags.c_contiguous


def test_the_same_generator_gives_the_same_crop() -> None:
    assert np.array_equal(drawn(3), drawn(3))
    assert not np.array_equal(drawn(3), drawn(4))


def test_without_bending_only_flips_are_left() -> None:
    flat = np.repeat(np.repeat(picture()[:12, :16], 4, axis=0), 4, axis=1)  # (48, 64, 3)
    crops = {augment(flat, STILL, 48, np.random.default_rng(seed)).tobytes() for seed in range(40)}
    assert len(crops) == 4
    crop = augment(flat, STILL, 48, np.random.default_rng(0))
    assert crop.mean(axis=(0, 1)) == pytest.approx(flat.mean(axis=(0, 1)), abs=1)


def test_quarter_turns_and_flips_show_a_picture_in_all_eight_ways() -> None:
    config = STILL.model_copy(update={"quarter_turns": True})
    square = picture()[:, :48]
    ways = {turn(square, config, np.random.default_rng(seed)).tobytes() for seed in range(100)}
    expected = {np.rot90(way, k).tobytes() for way in (square, square[::-1]) for k in range(4)}
    assert ways == expected


def test_a_crop_covers_the_configured_share_of_the_photograph() -> None:
    rows, columns = np.mgrid[0:48, 0:64]
    place = np.dstack([rows, columns, rows]).astype(np.uint8)  # each pixel tells where it came from
    config = STILL.model_copy(update={"area": (0.25, 0.25), "aspect": (1.0, 1.0)})
    for seed in range(20):
        crop = augment(place, config, 32, np.random.default_rng(seed))
        assert np.ptp(crop[..., 0]) + 1 == pytest.approx(28, abs=2)  # sqrt(0.25 * 48 * 64) = 27.7
        assert np.ptp(crop[..., 1]) + 1 == pytest.approx(28, abs=2)


def test_colour_jitter_of_a_grey_picture_changes_brightness_alone() -> None:
    grey = np.full((48, 48, 3), 100, np.uint8)
    config = STILL.model_copy(update={"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue_degrees": 30})
    means = set()
    for seed in range(20):
        crop = recolour(grey, config, np.random.default_rng(seed))
        assert np.ptp(crop.astype(int)) <= 1
        assert 69 <= crop.mean() <= 131
        means.add(round(float(crop.mean())))
    assert len(means) > 5


def test_no_colour_jitter_leaves_the_colours() -> None:
    assert np.array_equal(recolour(picture(), STILL, np.random.default_rng(0)), picture())


def test_an_epoch_without_balance_is_every_photograph_once() -> None:
    targets = np.repeat([0, 1], [30, 5])
    assert sorted(draw_epoch(targets, 0.0, np.random.default_rng(0))) == list(range(35))


def test_balance_one_draws_every_class_as_often() -> None:
    targets = np.repeat([0, 1, 2], [60, 24, 6])
    order = draw_epoch(targets, 1.0, np.random.default_rng(0))
    assert np.abs(np.bincount(targets[order]) - 30).max() <= 1
    assert np.bincount(order, minlength=90)[84:].tolist() == [5] * 6


@pytest.mark.parametrize("seed", range(5))
def test_a_photograph_is_drawn_the_floor_or_the_ceiling_of_its_share(seed: int) -> None:
    targets = np.repeat([0, 1, 2], [50, 20, 9])
    weights = np.bincount(targets)[targets] ** -0.5
    share = weights / weights.sum() * len(targets)
    times = np.bincount(draw_epoch(targets, 0.5, np.random.default_rng(seed)), minlength=len(targets))
    assert times.sum() == len(targets)
    assert np.all((times >= np.floor(share)) & (times <= np.ceil(share)))
