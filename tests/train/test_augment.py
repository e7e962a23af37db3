from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.augment import augment, draw_epoch
from train.config import AugmentConfig, load_config

SHIPPED = load_config(Path(__file__).parents[2] / "configs" / "train" / "resnet50.yaml").finetune.augment
STILL = AugmentConfig(
    crop_px=48, area=(1, 1), aspect=(4 / 3, 4 / 3), quarter_turns=False, brightness=0, contrast=0,
    saturation=0, hue_degrees=0, blur_probability=0, blur_sigma_px=(1, 1),
)  # fmt: skip


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_crops_are_squares_of_uint8() -> None:
    crop = augment(picture(), SHIPPED, np.random.default_rng(1))
    assert crop.shape == (192, 192, 3) and crop.dtype == np.uint8


def test_the_same_generator_gives_the_same_crop() -> None:
    first, second = (augment(picture(), SHIPPED, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, augment(picture(), SHIPPED, np.random.default_rng(4)))


def test_without_bending_only_flips_are_left() -> None:
    flat = np.repeat(np.repeat(picture()[:12, :16], 4, axis=0), 4, axis=1)  # (48, 64, 3)
    crops = {augment(flat, STILL, np.random.default_rng(seed)).tobytes() for seed in range(40)}
    assert len(crops) == 4
    crop = augment(flat, STILL, np.random.default_rng(0))
    assert crop.mean(axis=(0, 1)) == pytest.approx(flat.mean(axis=(0, 1)), abs=1)


def test_colour_jitter_of_a_grey_picture_changes_brightness_alone() -> None:
    grey = np.full((48, 64, 3), 100, np.uint8)
    config = STILL.model_copy(update={"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue_degrees": 30})
    means = set()
    for seed in range(20):
        crop = augment(grey, config, np.random.default_rng(seed))
        assert np.ptp(crop.astype(int)) <= 1
        assert 69 <= crop.mean() <= 131
        means.add(round(float(crop.mean())))
    assert len(means) > 5


def test_an_epoch_without_balance_is_every_photograph_once() -> None:
    targets = np.repeat([0, 1], [30, 5])
    drawn = draw_epoch(targets, 0.0, np.random.default_rng(0))
    assert sorted(drawn) == list(range(35))


def test_balance_one_draws_every_class_as_often() -> None:
    targets = np.repeat([0, 1, 2], [60, 24, 6])
    drawn = draw_epoch(targets, 1.0, np.random.default_rng(0))
    assert np.abs(np.bincount(targets[drawn]) - 30).max() <= 1
    assert np.bincount(drawn, minlength=90)[84:].tolist() == [5] * 6


@pytest.mark.parametrize("seed", range(5))
def test_a_photograph_is_drawn_the_floor_or_the_ceiling_of_its_share(seed: int) -> None:
    targets = np.repeat([0, 1, 2], [50, 20, 9])
    weights = np.bincount(targets)[targets] ** -0.5
    share = weights / weights.sum() * len(targets)
    times = np.bincount(draw_epoch(targets, 0.5, np.random.default_rng(seed)), minlength=len(targets))
    assert times.sum() == len(targets)
    assert np.all((times >= np.floor(share)) & (times <= np.ceil(share)))
