"""What another camera makes of the same scene: lens, sensor, processing, compression, each with its own chance."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge.domain import RgbImage
from train.scenes.textures import Plane

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601
MID_GREY = 110.0  # what automatic exposure steers the mean towards, of 255
_RESAMPLING = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)


def camera(rgb: RgbImage, rng: np.random.Generator, strength: float) -> RgbImage:
    """(H, W, 3) uint8 → (H, W, 3) uint8, as another camera sees it.

    strength: 0..1, scales each step's chance and range; 0 changes nothing.
    """
    if strength <= 0:
        return rgb.copy()
    height, width = rgb.shape[:2]
    picture = rgb.astype(np.float32)
    picture = _defocus(picture, rng, strength)
    picture = _colours(picture, rng, strength)
    if rng.random() < 0.4 * strength:
        smaller = math.exp(rng.uniform(math.log(0.3), 0) * strength)
        side = (max(8, round(width * smaller)), max(8, round(height * smaller)))
        picture = np.asarray(cv2.resize(picture, side, interpolation=_RESAMPLING[int(rng.integers(4))]), np.float32)
    if rng.random() < 0.6 * strength:
        picture = _noisy(picture, rng, strength)
    if rng.random() < 0.3 * strength:
        soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 2))
        picture = picture + np.float32(rng.uniform(0.3, 1.5) * strength) * (picture - soft)
    small = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.6 * strength:
        small = _jpeg(small, round(100 - strength * rng.uniform(5, 75)))
    if small.shape[:2] != (height, width):
        small = np.asarray(cv2.resize(small, (width, height), interpolation=_RESAMPLING[1 + int(rng.integers(2))]))
    return np.asarray(small, np.uint8)


def _defocus(picture: Plane, rng: np.random.Generator, strength: float) -> Plane:
    """Out of focus, or moved while the shutter was open; usually neither."""
    scale = strength * max(picture.shape) / 224
    chance = rng.random()
    if chance < 0.25 * strength:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.3 + rng.uniform(0, 1.7) * scale), np.float32)
    if chance < 0.4 * strength:
        length = rng.uniform(2, 9) * scale
        reach = math.ceil(length / 2)
        kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        angle = rng.uniform(0, math.pi)
        tip = (length / 2 * math.cos(angle), length / 2 * math.sin(angle))
        ends = [(round(reach + sign * tip[0]), round(reach + sign * tip[1])) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA)
        return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32)
    return picture


def _colours(picture: Plane, rng: np.random.Generator, strength: float) -> Plane:
    """White balance, exposure and saturation in one matrix; then vignetting; then gamma and contrast in one curve."""
    metered = math.log(MID_GREY / max(4.0, float(np.mean(cv2.mean(picture)[:3])))) * rng.uniform(0, 0.6)
    gains = np.exp(strength * (metered + rng.normal(0, 0.2) + rng.normal(0, 0.08, 3)))
    saturation = np.float32(math.exp(strength * rng.normal(0, 0.3)))
    mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * _GREY[None]
    if rng.random() < 0.15 * strength:
        mix = (1 - strength) * mix + strength * (mix + rng.normal(0, 0.08, (3, 3)).astype(np.float32))  # another sensor
    picture = np.asarray(cv2.transform(picture, (mix * gains[:, None]).astype(np.float32)), np.float32)
    if rng.random() < 0.3 * strength:
        rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in picture.shape[:2])
        picture = picture * (1 - np.float32(strength * rng.uniform(0, 0.35)) * (rows[:, None] + columns))[..., None]
    gamma = math.exp(strength * rng.normal(0, 0.22))
    contrast, black = math.exp(strength * rng.normal(0, 0.18)), strength * rng.uniform(-0.03, 0.07)
    levels = np.linspace(0, 1, 256) ** gamma
    curve = 255 * (0.45 + (levels - 0.45) * contrast + black)
    return cv2.LUT(np.clip(picture, 0, 255).astype(np.uint8), np.clip(curve, 0, 255).astype(np.uint8)).astype(
        np.float32
    )


def _noisy(picture: Plane, rng: np.random.Generator, strength: float) -> Plane:
    """Poisson-Gaussian sensor noise: the variance grows with the light (Foi et al. 2008, doi:10.1109/TIP.2008.2001399).

    The sum of two uniform variables stands for the Gaussian: a hundred times faster to draw.
    """
    draws = np.frombuffer(rng.bytes(2 * picture.size), np.uint8).reshape(2, *picture.shape)
    unit = (draws[0].astype(np.float32) - draws[1]) / 104.5  # standard deviation of the difference of two bytes
    read, shot = strength * rng.uniform(0.5, 6), strength * rng.uniform(0, 0.8)
    if rng.random() < 0.3:
        unit = np.repeat(unit[..., :1], 3, axis=2)
    return np.asarray(picture + unit * np.sqrt(read**2 + shot**2 * np.maximum(picture, 0)), np.float32)


def _jpeg(rgb: RgbImage, quality: int) -> RgbImage:
    _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)
