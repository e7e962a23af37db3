"""Light that falls on a whole scene: lamp gradients, hot spots, hard shadow edges."""

from __future__ import annotations

import math

import cv2
import numpy as np

from train.scenes.textures import Plane, noise, tint

GRID_PX = 28  # light is smooth: drawn small, then enlarged


def lamp(rng: np.random.Generator, size_px: int) -> Plane:
    """(S, S, 3) float32, about 0.2..1.6, mean near 1: one lamp's pattern over the scene, slightly coloured."""
    y, x = np.mgrid[-1 : 1 : GRID_PX * 1j, -1 : 1 : GRID_PX * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * math.pi)
    field = 1 + rng.uniform(0, 0.35) * (math.cos(angle) * x + math.sin(angle) * y)
    if rng.random() < 0.4:
        field *= 1 - rng.uniform(0, 0.35) * (x * x + y * y)
    if rng.random() < 0.35:
        centre_x, centre_y = rng.uniform(-1.2, 1.2, 2)
        spread = rng.uniform(0.25, 0.9)
        field += rng.uniform(0.1, 0.6) * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / spread**2)
    coloured = field[..., None] * tint(rng, 0.03) + rng.uniform(0, 0.04) * noise(rng, GRID_PX, (3, 3))[..., None]
    return np.asarray(cv2.resize(np.clip(coloured, 0.15, 1.8).astype(np.float32), (size_px, size_px)), np.float32)


def shadow_edge(rng: np.random.Generator, size_px: int) -> Plane:
    """(S, S) float32: 1 in the light, 0.35..0.85 beyond a straight edge: a lid's or a hand's shadow."""
    edge = rng.uniform(0, 0.06)  # how soft
    angle, offset = rng.uniform(0, 2 * math.pi), rng.uniform(-0.7, 0.7)
    ramp = np.linspace(-1, 1, size_px, dtype=np.float32)
    beyond = math.cos(angle) * ramp[None] + math.sin(angle) * ramp[:, None] - offset
    return np.asarray(1 - rng.uniform(0.15, 0.65) * np.clip(beyond / (edge + 0.01) + 0.5, 0, 1), np.float32)
