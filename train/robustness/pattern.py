"""Grounds with a pattern of their own: wood, fabric, a dirty tray."""

from __future__ import annotations

import cv2
import numpy as np

from train.robustness.ground import Ground, moulded_plastic
from train.robustness.light import Colour, falloff, srgb, tinted
from train.robustness.noise import Plane, Size, blurred, power_law, rotated, smoothstep, spots


def wood(rng: np.random.Generator, size: Size) -> Ground:
    """Planks sawn from a trunk: growth rings cut lengthwise, fibres, gaps between the planks."""
    angle = rng.uniform(0, np.pi)
    along, across = rotated(size, angle)
    plank_width = rng.uniform(0.25, 0.6)
    place = across / plank_width + rng.uniform(0, 1)
    plank = np.floor(place).astype(np.int32)
    plank -= plank.min()
    offsets = rng.uniform(-3, 3, (int(plank.max()) + 1, 2)).astype(np.float32)
    bend = 0.035 * power_law(rng, size, 2.4, stretch=5, angle=angle)
    depth = (place % 1 - 0.5) * plank_width + bend + 0.1 * offsets[plank, 0]
    radius = np.hypot(depth, 0.06 * along + offsets[plank, 1] / 9)
    rings = (radius * rng.uniform(14, 28)) % 1
    late = smoothstep(0.3, 0.95, np.asarray(rings, np.float32)) - smoothstep(0.95, 1.0, np.asarray(rings, np.float32))
    fibres = power_law(rng, size, 0.6, stretch=40, angle=angle)
    tone = np.clip(0.55 * late + 0.10 * fibres + 0.12 * offsets[plank, 0] / 3, -0.3, 1)[..., None]
    pale, dark = _wood_colours(rng)
    gaps = smoothstep(0.004, 0.014, np.asarray(np.minimum(place % 1, 1 - place % 1) * plank_width, np.float32))
    albedo = (pale * (1 - tone) + dark * tone) * (0.25 + 0.75 * gaps[..., None])
    return Ground(
        np.clip(albedo, 0.005, 0.9).astype(np.float32),
        tinted(falloff(rng, size, rng.uniform(0.15, 0.4)), srgb(255, 250, 240)),
        np.zeros(size, np.float32),
    )


def _wood_colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Early and late wood of a pine, oak, walnut or grey weathered board."""
    pairs = (
        ((222, 184, 135), (172, 122, 72)),
        ((190, 150, 104), (138, 98, 60)),
        ((121, 85, 60), (78, 50, 34)),
        ((158, 150, 140), (112, 104, 96)),
    )
    pale, dark = pairs[int(rng.integers(len(pairs)))]
    shift = rng.uniform(-10, 10)
    return srgb(*(c + shift for c in pale)), srgb(*(c + shift for c in dark))


def patterned_fabric(rng: np.random.Generator, size: Size) -> Ground:
    """A woven cloth, striped, checked or dotted in two or three colours, lying in folds."""
    folds = blurred(power_law(rng, size, 2.2, stretch=3, angle=rng.uniform(0, np.pi)), 6)
    slope_y, slope_x = np.gradient(folds)
    angle = rng.uniform(0, np.pi)
    u, v = rotated(size, angle)
    scale = rng.uniform(4, 10)
    u = np.asarray(scale * (u + 0.03 * folds), np.float32)
    v = np.asarray(scale * (v + 0.03 * np.roll(folds, 40, axis=1)), np.float32)
    first, second = _cloth_pattern(rng, u, v)
    colours = [_cloth_colour(rng) for _ in range(3)]
    albedo = colours[0] * (1 - first[..., None]) + colours[1] * first[..., None]
    albedo = albedo * (1 - second[..., None]) + colours[2] * second[..., None]
    threads = 2 * np.pi * 14
    weave = np.where((np.floor(u * 14) + np.floor(v * 14)) % 2 == 0, np.sin(threads * u), np.sin(threads * v))
    relief = np.clip(1 + rng.uniform(4, 8) * (slope_x * np.cos(angle) + slope_y * np.sin(angle)), 0.45, 1.5)
    return Ground(
        np.clip(albedo * (1 + 0.10 * weave)[..., None], 0.01, 0.9).astype(np.float32),
        tinted(np.asarray(falloff(rng, size, rng.uniform(0.15, 0.35)) * relief, np.float32), srgb(255, 252, 246)),
        np.zeros(size, np.float32),
    )


def _cloth_pattern(rng: np.random.Generator, u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """Where the second and the third colour are, 0..1."""
    wide, thin = rng.uniform(0.3, 0.6), rng.uniform(0.06, 0.16)
    kind = rng.choice(["stripes", "checks", "dots"])
    band_u, band_v = _band(u, wide), _band(v, wide)
    if kind == "stripes":
        return band_u, _band(u + 0.5, thin)
    if kind == "checks":
        return np.asarray((band_u + band_v) / 2, np.float32), np.maximum(_band(u + 0.5, thin), _band(v + 0.5, thin))
    shifted = u + 0.5 * (np.floor(v) % 2)
    distance = np.hypot(shifted % 1 - 0.5, v % 1 - 0.5)
    return np.zeros_like(u), 1 - smoothstep(0.22, 0.27, np.asarray(distance, np.float32))


def _band(place: Plane, share: float) -> Plane:
    """1 over `share` of every unit of `place`, else 0; edges a thread wide."""
    return 1 - smoothstep(share / 2, share / 2 + 0.03, np.asarray(np.abs(place % 1 - 0.5), np.float32))


def _cloth_colour(rng: np.random.Generator) -> Colour:
    hsv = np.array([[[rng.uniform(0, 180), rng.uniform(20, 150), rng.uniform(90, 225)]]], np.uint8)
    return srgb(*cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0])


def dirty_tray(rng: np.random.Generator, size: Size) -> Ground:
    """A light grey tray after a week: dried puddles with dark rims, smears, crumbs and drops of water."""
    grey = rng.uniform(150, 205)
    clean = moulded_plastic(rng, size, srgb(grey + rng.uniform(-6, 6), grey, grey - rng.uniform(0, 14)), 0.3)
    film = smoothstep(0.2, 1.8, power_law(rng, size, 1.6))
    smears = smoothstep(0.8, 2.2, power_law(rng, size, 1.2, stretch=6, angle=rng.uniform(0, np.pi)))
    dirt = np.clip(0.30 * film + 0.35 * smears + _puddles(rng, size), 0, 0.85)[..., None]
    brown = srgb(*(np.array([122, 92, 58]) + rng.uniform(-18, 18, 3)))
    albedo = clean.albedo * (1 - dirt) + clean.albedo * brown * 1.6 * dirt
    crumbs = spots(rng, size, int(rng.integers(25, 70)), (0.8, 4.0))
    under = 1 - 0.6 * np.roll(blurred(crumbs, 1.2), (2, 2), (0, 1))
    crumb_colour = srgb(*(np.array([165, 122, 72]) + rng.uniform(-35, 35, 3)))
    albedo = albedo * under[..., None] * (1 - crumbs[..., None]) + crumb_colour * crumbs[..., None]
    drops = spots(rng, size, int(rng.integers(8, 25)), (3.0, 9.0))
    lens = blurred(drops, 2.0)
    rise = np.roll(lens, (-2, -2), (0, 1)) - np.roll(lens, (2, 2), (0, 1))
    return Ground(
        np.clip(albedo * (1 - 0.18 * drops - 0.5 * rise)[..., None], 0.01, 0.9).astype(np.float32),
        clean.light,
        np.asarray(clean.gloss + 0.35 * smoothstep(0.35, 0.6, np.asarray(rise * drops, np.float32)), np.float32),
    )


def _puddles(rng: np.random.Generator, size: Size) -> Plane:
    """0..1: what dried puddles leave, most of it along their rims (the coffee-ring effect, Deegan et al. 1997)."""
    height = power_law(rng, size, 2.3)
    level = rng.uniform(0.7, 1.1)
    rim = np.exp(-(((height - level) / 0.06) ** 2))
    return np.asarray(0.30 * smoothstep(level, level + 0.1, height) + 0.4 * rim, np.float32)
