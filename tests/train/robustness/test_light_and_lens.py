from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from train.robustness import lens
from train.robustness.ground import Ground, dark_chute, plain_tray, plastic_tray, steel_plate
from train.robustness.light import lamp_colour, to_linear, to_srgb
from train.robustness.noise import power_law
from train.robustness.pattern import dirty_tray, patterned_fabric, wood


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_linear_light_and_back_is_the_same_picture() -> None:
    codes = np.arange(256, dtype=np.uint8)
    grey = np.stack([codes] * 3, axis=-1)[None]  # (1, 256, 3)
    back = to_srgb(to_linear(grey))
    assert np.abs(back.astype(int) - grey).max() <= 3  # darkest codes share a step of the table
    assert np.array_equal(back[:, 40:], grey[:, 40:])
    assert to_srgb(np.full((1, 1, 3), 7, np.float32)).max() == 255


def test_a_warm_lamp_is_red_and_a_cold_one_blue() -> None:
    warm, cold = lamp_colour(3000), lamp_colour(9000)
    assert warm[0] == 1 and warm[0] > warm[1] > warm[2] > 0
    assert cold[2] == 1 and cold[2] > cold[1] > cold[0] > 0


@pytest.mark.parametrize(
    "make", [steel_plate, dark_chute, plain_tray, plastic_tray, wood, patterned_fabric, dirty_tray]
)
def test_a_ground_has_a_texture_and_sends_back_no_more_light_than_it_gets(
    make: Callable[[np.random.Generator, tuple[int, int]], Ground],
) -> None:
    ground = make(rng(), (96, 128))
    assert ground.albedo.shape == ground.light.shape == (96, 128, 3) and ground.gloss.shape == (96, 128)
    assert ground.albedo.dtype == ground.light.dtype == ground.gloss.dtype == np.float32
    assert ground.albedo.min() > 0 and ground.albedo.max() <= 1
    assert ground.albedo.mean(axis=2).std() > 0.02 * ground.albedo.mean()
    assert not np.array_equal(ground.albedo, make(np.random.default_rng(6), (96, 128)).albedo)


def test_the_dark_chute_is_nearly_black_and_the_steel_plate_is_grey() -> None:
    chute, steel = dark_chute(rng(), (96, 128)), steel_plate(rng(), (96, 128))
    assert (chute.albedo * chute.light).mean() < 0.03
    assert np.abs(steel.albedo - steel.albedo.mean(axis=2, keepdims=True)).max() < 0.03


def test_noise_is_drawn_out_along_its_grain() -> None:
    field = power_law(rng(), (96, 128), 0.5, stretch=40, angle=0.0)
    assert np.abs(np.diff(field, axis=1)).mean() < 0.7 * np.abs(np.diff(field, axis=0)).mean()
    assert abs(float(field.mean())) < 0.01 and float(field.std()) == pytest.approx(1, abs=0.01)


def test_a_dim_sensor_is_noisier_than_a_bright_one() -> None:
    flat = np.full((96, 128, 3), 0.2, np.float32)
    noise = [lens.sensor(flat, rng(), electrons=e, read_noise=3).astype(float).std() for e in (300, 30000)]
    assert noise[0] > 4 * noise[1] > 0


def test_a_cheap_or_shaken_camera_loses_fine_detail_and_keeps_the_light() -> None:
    stripes = np.zeros((192, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    for degrade in (lens.cheap, lens.shaken):
        seen = degrade(stripes, rng())
        assert seen.shape == stripes.shape and seen.dtype == np.uint8
        assert seen.astype(float).std() < 0.4 * stripes.astype(float).std()
        assert to_linear(seen).mean() > 0.4 * to_linear(stripes).mean()
