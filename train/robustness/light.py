"""Light: sRGB bytes to linear light and back, lamps, shadows.

Linear light is float32; 1 is the brightest that a picture can show.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import RgbImage
from train.robustness.noise import Plane, Size, coordinates, power_law, rotated, smoothstep

Colour: TypeAlias = NDArray[np.float32]
"""(H, W, 3) linear light, or (3,) one colour"""

_codes = np.arange(256) / 255
_TO_LINEAR = np.where(_codes <= 0.04045, _codes / 12.92, ((_codes + 0.055) / 1.055) ** 2.4).astype(np.float32)
_STEPS = 4096
_light = np.arange(_STEPS) / (_STEPS - 1)
_TO_SRGB = np.rint(
    255 * np.where(_light <= 0.0031308, 12.92 * _light, 1.055 * _light ** (1 / 2.4) - 0.055)
).astype(np.uint8)  # fmt: skip


def to_linear(rgb: RgbImage) -> Colour:
    """(H, W, 3) uint8 sRGB → linear light 0..1 (IEC 61966-2-1)."""
    return np.asarray(_TO_LINEAR[rgb], np.float32)


def to_srgb(linear: Colour) -> RgbImage:
    """Linear light → (H, W, 3) uint8 sRGB; what is brighter than 1 is cut off, as a sensor does."""
    codes = np.clip(linear * (_STEPS - 1), 0, _STEPS - 1).astype(np.int16)
    return np.asarray(_TO_SRGB[codes], np.uint8)


def srgb(red: float, green: float, blue: float) -> Colour:
    """One colour, given as sRGB 0..255, in linear light."""
    return np.interp(np.array([red, green, blue]) / 255, _codes, _TO_LINEAR).astype(np.float32)


def lamp_colour(kelvin: float) -> Colour:
    """(3,) gains of a lamp of this colour temperature seen by a camera balanced for 6500 K; the greatest is 1.

    Fit to black-body colours by Tanner Helland (2012), in linear light.
    """
    t = kelvin / 100
    if t <= 66:
        red, green = 255.0, 99.47 * np.log(t) - 161.12
        blue = 0.0 if t <= 19 else 138.52 * np.log(t - 10) - 305.04
    else:
        red, green = 329.7 * (t - 60) ** -0.1332, 288.12 * (t - 60) ** -0.0755
        blue = 255.0
    gains = srgb(*(float(np.clip(v, 0, 255)) for v in (red, green, blue)))
    return np.asarray(gains / gains.max(), np.float32)


def falloff(rng: np.random.Generator, size: Size, depth: float) -> Plane:
    """(H, W): a lamp somewhere above the picture; 1 below it, 1 - depth at the farthest corner."""
    x, y = coordinates(size)
    width = size[1] / size[0]
    distance = np.hypot(x - rng.uniform(0.1, 0.9) * width, y - rng.uniform(0.1, 0.9))
    return np.asarray(1 - depth * smoothstep(0, float(distance.max()), distance), np.float32)


def hard_shadow(rng: np.random.Generator, size: Size) -> Plane:
    """(H, W) 0..1: 1 in the shadow of a straight-edged thing across the picture: a lid's edge, a bar or an arm."""
    angle = rng.uniform(0, 2 * np.pi)
    along, across = rotated(size, angle)
    middle_along, middle_across = (float(np.median(plane)) for plane in (along, across))
    wavy = 0.01 * power_law(rng, size, 2.5)
    distance = np.asarray(across - middle_across - rng.uniform(-0.15, 0.15) + wavy, np.float32)
    penumbra = rng.uniform(0.004, 0.02)
    if rng.random() < 0.5:
        return smoothstep(-penumbra, penumbra, distance)
    # A bar that narrows: an arm, a handle.
    half = np.asarray(rng.uniform(0.1, 0.18) + rng.uniform(-0.08, 0.08) * (along - middle_along), np.float32)
    return smoothstep(-penumbra, penumbra, np.asarray(half - np.abs(distance), np.float32))


def lamp_spot(rng: np.random.Generator, size: Size, *, sharpness: float, stretch: float, angle: float) -> Plane:
    """(H, W) 0..1: a lamp's mirror image on a glossy ground, `stretch` times longer across `angle` than along it.

    The lobe is Ward's anisotropic Gaussian (Ward 1992), seen from above.
    """
    along, across = rotated(size, angle)
    centre_y, centre_x = rng.uniform(0.05, 0.95) * size[0], rng.uniform(0.05, 0.95) * size[1]
    row, column = int(centre_y), int(centre_x)
    u = (along - along[row, column]) * sharpness
    v = (across - across[row, column]) * sharpness / stretch
    return np.asarray(np.exp(-(u * u + v * v)), np.float32)


def veil(rng: np.random.Generator, size: Size) -> Plane:
    """(H, W) 0..1: stray light in a lens that has a lamp just outside or inside its view."""
    x, y = coordinates(size)
    side = int(rng.integers(4))
    width = size[1] / size[0]
    at_x = (-0.05, width + 0.05, rng.uniform(0, width), rng.uniform(0, width))[side]
    at_y = (rng.uniform(0, 1), rng.uniform(0, 1), -0.05, 1.05)[side]
    distance = np.hypot(x - at_x, y - at_y)
    return np.asarray(1 / (1 + (distance / 0.28) ** 2), np.float32)


def tinted(plane: Plane, colour: Colour) -> Colour:
    """(H, W) and (3,) → (H, W, 3)."""
    return np.asarray(cv2.merge([plane * float(channel) for channel in colour]), np.float32)
