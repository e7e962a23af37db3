"""Training crops: one photograph in, one bent copy out. OpenCV on uint8, about a millisecond for a crop."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import RgbImage
from train.config import AugmentConfig

# Rec. 601 grey, and the YIQ axes in which turning the hue is a rotation: all colour jitter is one matrix.
_GREY = np.array([0.299, 0.587, 0.114])
_TO_YIQ = np.array([_GREY, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def augment(rgb: RgbImage, config: AugmentConfig, crop_px: int, rng: np.random.Generator) -> RgbImage:
    """(H, W, 3) uint8 → (crop_px, crop_px, 3) uint8: a part of the photograph, another way up."""
    return turn(_random_crop(rgb, config, crop_px, rng), config, rng)


def turn(crop: RgbImage, config: AugmentConfig, rng: np.random.Generator) -> RgbImage:
    """(S, S, 3) → (S, S, 3): mirrored each way or not, turned by quarters where the config says so."""
    if config.quarter_turns:
        crop = np.rot90(crop, int(rng.integers(4)))
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.5:
        crop = crop[::-1]
    return np.ascontiguousarray(crop)


def recolour(crop: RgbImage, config: AugmentConfig, rng: np.random.Generator) -> RgbImage:
    """(S, S, 3) uint8 → (S, S, 3) uint8: brightness, contrast, saturation and hue drawn anew."""
    return np.asarray(cv2.transform(crop, _colour_matrix(crop, config, rng)), np.uint8)  # saturates to 0..255


def _random_crop(rgb: RgbImage, config: AugmentConfig, crop_px: int, rng: np.random.Generator) -> RgbImage:
    """A rectangle of random area and aspect, squashed to the square (as evaluation does)."""
    height, width = rgb.shape[:2]
    area = rng.uniform(*config.area) * height * width
    aspect = math.exp(rng.uniform(*np.log(config.aspect)))
    crop_w = min(width, max(1, round(math.sqrt(area * aspect))))
    crop_h = min(height, max(1, round(math.sqrt(area / aspect))))
    top, left = int(rng.integers(height - crop_h + 1)), int(rng.integers(width - crop_w + 1))
    # INTER_AREA: evaluation sees the same filter.
    side = (crop_px, crop_px)
    return np.asarray(
        cv2.resize(rgb[top : top + crop_h, left : left + crop_w], side, interpolation=cv2.INTER_AREA),
        np.uint8,
    )


def _colour_matrix(crop: RgbImage, config: AugmentConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """(3, 4): brightness · contrast · saturation · hue, then the offset that contrast needs."""
    brightness, contrast, saturation = (
        1 + rng.uniform(-reach, reach) for reach in (config.brightness, config.contrast, config.saturation)
    )
    angle = math.radians(rng.uniform(-config.hue_degrees, config.hue_degrees))
    cos, sin = math.cos(angle) * saturation, math.sin(angle) * saturation
    rotation = _FROM_YIQ @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _TO_YIQ
    grey = float(np.dot(cv2.mean(crop)[:3], _GREY))
    offset = np.full((3, 1), brightness * grey * (1 - contrast))
    return np.hstack([brightness * contrast * rotation, offset])


def draw_epoch(targets: NDArray[np.int64], class_balance: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) int64: which photograph stands at each place of an epoch, in random order.

    A photograph's expected count is N·w/Σw with w = (photographs of its class)^-class_balance. Systematic
    sampling: each is drawn the floor or the ceiling of that many times, so chance leaves out few.
    """
    weights = np.bincount(targets)[targets].astype(np.float64) ** -class_balance
    order = rng.permutation(len(targets))
    edges = np.cumsum(weights[order]) / weights.sum() * len(targets)
    edges[-1] = len(targets)
    drawn = order[np.searchsorted(edges, np.arange(len(targets)) + rng.random(), side="right")]
    return rng.permutation(drawn)
