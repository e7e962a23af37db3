"""What a ground is, and the grounds of one material: steel, rubber, plastic."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from train.robustness.light import Colour, falloff, lamp_spot, srgb, tinted
from train.robustness.noise import Plane, Size, blurred, cells, coordinates, power_law, rotated, smoothstep


@dataclass(frozen=True, eq=False)
class Ground:
    """An empty tray and its light.

    albedo: (H, W, 3), the share of light sent back, 0..1. light: (H, W, 3), what falls on it and on the item.
    gloss: (H, W), mirror light, which only the bare ground shows.
    """

    albedo: Colour
    light: Colour
    gloss: Plane


def steel_plate(rng: np.random.Generator, size: Size) -> Ground:
    """Brushed steel: grain 60 times longer than wide, scratches, and a lamp's image drawn out across the grain."""
    angle = rng.uniform(0, np.pi)
    grain = power_law(rng, size, 0.5, stretch=60, angle=angle)
    dents = power_law(rng, size, 2.2)
    scratches = np.zeros(size, np.uint8)
    for _ in range(int(rng.integers(4, 14))):
        x, y = rng.uniform(0, size[1]), rng.uniform(0, size[0])
        bearing, length = angle + rng.normal(0, 0.5), rng.uniform(15, 160)
        end = (round(x + length * np.cos(bearing)), round(y + length * np.sin(bearing)))
        cv2.line(scratches, (round(x), round(y)), end, int(rng.integers(60, 200)), 1, cv2.LINE_AA)
    base = rng.uniform(0.20, 0.36) * (1 + 0.07 * grain + 0.05 * dents) + 0.10 * scratches.astype(np.float32) / 255
    spot = lamp_spot(rng, size, sharpness=rng.uniform(3.5, 6), stretch=rng.uniform(2, 5), angle=angle)
    gloss = rng.uniform(0.35, 0.75) * spot * np.clip(1 + 0.25 * grain, 0, None)
    tint = srgb(*(250 + rng.uniform(-8, 5, 3)))
    return Ground(
        tinted(np.clip(base, 0.02, 0.9).astype(np.float32), tint),
        tinted(falloff(rng, size, rng.uniform(0.2, 0.45)), srgb(255, 253, 248)),
        np.asarray(gloss, np.float32),
    )


def dark_chute(rng: np.random.Generator, size: Size) -> Ground:
    """The black bottom of a shaft: walls on two or three sides, little light, and that from above the middle."""
    x, y = coordinates(size)
    width = size[1] / size[0]
    walls = np.ones(size, np.float32)
    for distance in (x, width - x, y, 1 - y):
        if rng.random() < 0.65:
            depth = rng.uniform(0.06, 0.16)
            slanted = distance + rng.uniform(-0.05, 0.05) * (x + y - 1)
            walls *= 0.45 + 0.55 * smoothstep(depth - 0.012, depth + 0.012, np.asarray(slanted, np.float32))
    rough = 1 + 0.22 * power_law(rng, size, 1.3)
    scuffs = smoothstep(1.4, 2.6, power_law(rng, size, 1.0, stretch=8, angle=rng.uniform(0, np.pi)))
    base = (rng.uniform(0.012, 0.03) * rough + 0.035 * scuffs) * walls
    middle = np.hypot(x - width / 2 + rng.uniform(-0.15, 0.15), y - 0.5 + rng.uniform(-0.15, 0.15))
    light = rng.uniform(0.3, 0.5) * (1 - 0.65 * smoothstep(0.1, 0.85, np.asarray(middle, np.float32)))
    return Ground(
        tinted(np.clip(base, 0.003, 1).astype(np.float32), srgb(*rng.uniform(225, 255, 3))),
        tinted(np.asarray(light, np.float32), srgb(255, 250, 242)),
        np.zeros(size, np.float32),
    )


def moulded_plastic(rng: np.random.Generator, size: Size, colour: Colour, relief: float) -> Ground:
    """A moulded tray of one colour: grain of Voronoi cells, a soft highlight and rounded ribs; relief 0..1."""
    distance = cells(rng, size, int(rng.integers(6000, 14000)))
    grain = blurred(distance, 0.7) - float(distance.mean())
    _, across = rotated(size, rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.05))
    phase = np.abs(((across * rng.uniform(2.0, 4.5) + rng.uniform(0, 1)) % 1) - 0.5)
    ribs = smoothstep(0.0, 0.05, np.asarray(phase, np.float32)) - smoothstep(0.05, 0.1, np.asarray(phase, np.float32))
    shade = 1 + relief * (0.025 * grain + 0.28 * ribs) + 0.03 * power_law(rng, size, 2.0)
    spot = lamp_spot(rng, size, sharpness=rng.uniform(1.8, 3.2), stretch=1.3, angle=rng.uniform(0, np.pi))
    return Ground(
        tinted(np.clip(shade, 0.2, 1 / colour.max()).astype(np.float32), colour),
        tinted(falloff(rng, size, rng.uniform(0.15, 0.4)), srgb(255, 252, 246)),
        np.asarray(rng.uniform(0.03, 0.14) * spot * (1 + 0.1 * grain), np.float32),
    )


def plastic_tray(rng: np.random.Generator, size: Size) -> Ground:
    """A tray moulded in a strong colour, ribbed."""
    hue, saturation, value = rng.uniform(0, 180), rng.uniform(140, 215), rng.uniform(120, 200)
    hsv = np.array([[[hue, saturation, value]]], np.uint8)
    return moulded_plastic(rng, size, srgb(*cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]), 1.0)


def plain_tray(rng: np.random.Generator, size: Size) -> Ground:
    """A tray moulded in dull grey, beige or greenish plastic."""
    grey = rng.uniform(105, 175)
    return moulded_plastic(rng, size, srgb(*(grey + rng.uniform(-7, 7, 3))), 0.5)
