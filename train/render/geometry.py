"""Sizes of the bin and where its camera stands; no Blender. Units are decimetres, z = 0 is the closed flap, +z up."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PLATE = (3.72, 2.76)  # width, depth of the flap
HINGE_Y = PLATE[1] / 2
FRAME_TOP = 0.10
GAP = 0.035  # between the flap and the frame
CHUTE_DEPTH = 5.0
CAMERA_HEIGHT = 5.2
VIEW_WIDTH = 4.25  # what the camera sees across, at z = 0
LAMP_AT = (-1.5, 1.3, 4.4)


def project(points: Array, size_px: tuple[int, int]) -> Array:
    """World (N, 3) → pixels (N, 2), for a camera above the origin that looks straight down, +y up in the picture."""
    width, height = size_px
    scale = width / VIEW_WIDTH * CAMERA_HEIGHT / (CAMERA_HEIGHT - points[:, 2:])
    return np.array([width / 2, height / 2]) + points[:, :2] * [1, -1] * scale


def unproject(pixels: Array, z: float, size_px: tuple[int, int]) -> Array:
    """Pixels (N, 2) → world (N, 3) on the level `z`."""
    width, height = size_px
    scale = VIEW_WIDTH / width * (CAMERA_HEIGHT - z) / CAMERA_HEIGHT
    flat = (pixels - [width / 2, height / 2]) * [1, -1] * scale
    return np.concatenate([flat, np.full((len(flat), 1), z)], 1)


def swung(points: Array, angle_deg: float) -> Array:
    """Points (N, 3) that lie on the flap, after it opened by an angle about its hinge."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    y, z = points[:, 1] - HINGE_Y, points[:, 2]
    return np.stack([points[:, 0], HINGE_Y + c * y - s * z, s * y + c * z], -1)
