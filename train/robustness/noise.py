"""Random fields that grounds are made of: (H, W) float32, the same for the same state of the generator."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]
Size: TypeAlias = tuple[int, int]
"""height, width in pixels"""


def power_law(rng: np.random.Generator, size: Size, slope: float, *, stretch: float = 1.0, angle: float = 0.0) -> Plane:
    """Gaussian noise whose amplitude falls as 1/f^slope (spectral synthesis, Saupe 1988): mean 0, deviation 1.

    slope: 0 white, 1 rough, 2 cloudy. stretch: how many times longer the grain is along `angle` (radians) than across.
    """
    height, width = size
    fy = np.fft.fftfreq(height)[:, None].astype(np.float32)
    fx = np.fft.rfftfreq(width)[None, :].astype(np.float32)
    along = (fx * np.cos(angle) + fy * np.sin(angle)) * stretch
    across = -fx * np.sin(angle) + fy * np.cos(angle)
    frequency = np.sqrt(along * along + across * across)
    spectrum = np.fft.rfft2(rng.standard_normal(size, np.float32))
    frequency[0, 0] = 1.0
    spectrum *= frequency**-slope
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, size).astype(np.float32)
    return np.asarray(field / (field.std() + 1e-9), np.float32)


def coordinates(size: Size) -> tuple[Plane, Plane]:
    """x and y of every pixel's centre, in units of the picture's height, from its top left corner."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray((x + 0.5) / height, np.float32), np.asarray((y + 0.5) / height, np.float32)


def rotated(size: Size, angle: float) -> tuple[Plane, Plane]:
    """The same coordinates, turned by `angle` (radians)."""
    x, y = coordinates(size)
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    return np.asarray(x * cosine + y * sine, np.float32), np.asarray(y * cosine - x * sine, np.float32)


def cells(rng: np.random.Generator, size: Size, count: int) -> Plane:
    """Voronoi cells of `count` random points: every pixel's distance to the nearest of them, in pixels."""
    height, width = size
    seeds = np.full(size, 255, np.uint8)
    seeds[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    return np.asarray(cv2.distanceTransform(seeds, cv2.DIST_L2, 5), np.float32)


def smoothstep(low: float, high: float, value: Plane) -> Plane:
    """0 up to `low`, 1 from `high` on, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def blurred(field: Plane, sigma_px: float) -> Plane:
    """Gaussian blur; at a lower resolution where nothing is lost by it."""
    height, width = field.shape[:2]
    step = max(1, int(sigma_px / 3))
    small = cv2.resize(field, (max(2, width // step), max(2, height // step)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(0.3, sigma_px / step))
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def spots(rng: np.random.Generator, size: Size, count: int, radius_px: tuple[float, float]) -> Plane:
    """0..1: `count` soft-edged irregular ellipses, radii drawn log-uniformly from `radius_px`."""
    height, width = size
    drawn = np.zeros(size, np.uint8)
    for _ in range(count):
        radius = float(np.exp(rng.uniform(*np.log(radius_px))))
        axes = (radius * rng.uniform(0.6, 1.4), radius * rng.uniform(0.6, 1.4))
        centre = (rng.uniform(0, width), rng.uniform(0, height))
        cv2.ellipse(drawn, (centre, (2 * axes[0], 2 * axes[1]), rng.uniform(0, 180)), 255, -1, cv2.LINE_AA)
    return np.asarray(drawn.astype(np.float32) / 255, np.float32)
