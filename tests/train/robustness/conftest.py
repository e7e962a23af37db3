"""Photographs small enough to be shifted in no time: two that can be cut out, two that cannot."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.domain import RgbImage
from train.robustness.shifts import Subject, subject


def photograph_of_a_box(at: tuple[int, int] = (70, 50), side: tuple[int, int] = (56, 40)) -> RgbImage:
    """A red box with a blue stripe on a white board with a little grain: (144, 192, 3) uint8."""
    rgb = np.full((144, 192, 3), 205, np.uint8)
    rgb += np.random.default_rng(0).integers(0, 2, rgb.shape, dtype=np.uint8)
    (x, y), (width, height) = at, side
    cv2.rectangle(rgb, (x, y), (x + width, y + height), (170, 30, 30), -1)
    cv2.rectangle(rgb, (x, y + height // 3), (x + width, y + height // 2), (30, 40, 160), -1)
    return rgb


def photograph_without_a_board() -> RgbImage:
    """Nothing but noise: (144, 192, 3) uint8."""
    return np.random.default_rng(1).integers(0, 255, (144, 192, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def box() -> Subject:
    """Its item is cut out."""
    found = subject(photograph_of_a_box(), "metal/box.png")
    assert found.item is not None
    return found


@pytest.fixture(scope="session")
def noise() -> Subject:
    """Its item is not cut out."""
    found = subject(photograph_without_a_board(), "paper/noise.png")
    assert found.item is None
    return found
