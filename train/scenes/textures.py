"""Surfaces an item may lie on, drawn from noise: each call another one. (S, S, 3) float32, 0..1 and a little over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]
Texture: TypeAlias = Callable[[np.random.Generator, int], Plane]


def noise(rng: np.random.Generator, size_px: int, cells: tuple[float, float]) -> Plane:
    """(S, S): smooth noise of unit variance at the grid points, `cells` = how many of them down and across."""
    rows, columns = (max(2, round(n)) for n in cells)
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(cv2.resize(grid, (size_px, size_px), interpolation=cv2.INTER_CUBIC), np.float32)


def fractal(rng: np.random.Generator, size_px: int, cells: float, octaves: int = 4, gain: float = 0.5) -> Plane:
    """(S, S): noise over noise, each octave twice as fine and `gain` times as strong."""
    layers = [gain**i * noise(rng, size_px, (cells * 2**i, cells * 2**i)) for i in range(octaves)]
    return np.asarray(sum(layers), np.float32)


def tint(rng: np.random.Generator, spread: float) -> Plane:
    """(3,): about 1 each, mostly warmer or colder, a little greener or more purple, as lamps and greys differ."""
    warmth, green = rng.normal(0, spread), rng.normal(0, spread / 3)
    return np.array([1 + warmth, 1 + green, 1 - warmth], np.float32)


def paint(rng: np.random.Generator, dark: float = 0.05, bright: float = 0.95, colourful: float = 0.25) -> Plane:
    """(3,): a colour, neutral with a slight tint, or with probability `colourful` any colour."""
    value = rng.uniform(dark, bright)
    if rng.random() < colourful:
        hsv = np.array([[[rng.uniform(0, 360), rng.uniform(0.25, 0.9), value]]], np.float32)
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0], np.float32)
    return np.asarray(value * tint(rng, 0.03), np.float32)


def _tinted(tone: Plane, colour: Plane) -> Plane:
    return np.asarray(tone[..., None] * colour, np.float32)


def _axes(size_px: int) -> tuple[Plane, Plane]:
    """(S, S) each: y and x, 0..1."""
    y, x = np.mgrid[0 : 1 : size_px * 1j, 0 : 1 : size_px * 1j].astype(np.float32)
    return y, x


def _scratch(tone: Plane, rng: np.random.Generator, count: int, strength: float) -> Plane:
    """Thin straight scratches, brighter or darker, drawn into `tone`."""
    size_px = len(tone)
    layer = np.zeros_like(tone)
    for _ in range(count):
        start = rng.uniform(0, size_px, 2)
        end = start + rng.normal(0, size_px / 3, 2)
        depth = float(rng.normal(0, strength))
        cv2.line(layer, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), depth, 1, cv2.LINE_AA)
    return tone + layer


def plain(rng: np.random.Generator, size_px: int) -> Plane:
    """Painted metal, smooth plastic: nearly one colour."""
    tone = 1 + rng.uniform(0.005, 0.04) * fractal(rng, size_px, rng.uniform(2, 8), 3)
    tone += rng.uniform(0, 0.02) * fractal(rng, size_px, 60, 2)
    return _tinted(_scratch(tone, rng, int(rng.integers(8)), 0.08), paint(rng))


def white_board(rng: np.random.Generator, size_px: int) -> Plane:
    """Paper, poster board, a white tray."""
    tone = 1 + rng.uniform(0.002, 0.015) * fractal(rng, size_px, 3, 3) + 0.008 * fractal(rng, size_px, 80, 1)
    return _tinted(tone, paint(rng, 0.7, 0.98, 0))


def brushed_steel(rng: np.random.Generator, size_px: int) -> Plane:
    """Brush lines along x and a band of the lamp's reflection."""
    _, x = _axes(size_px)
    lines = noise(rng, size_px, (size_px / 1.3, rng.uniform(2, 12)))
    lines += noise(rng, size_px, (size_px / 4, rng.uniform(2, 6)))
    bend = 0.15 * noise(rng, size_px, (3, 3))
    band = np.exp(-(((x - rng.uniform(-0.2, 1.2) + bend) / rng.uniform(0.1, 0.5)) ** 2))
    tone = 1 + rng.uniform(0.02, 0.09) * lines + rng.uniform(0, 0.9) * band + 0.1 * fractal(rng, size_px, 2, 3)
    return _tinted(_scratch(tone, rng, int(rng.integers(25)), 0.2), paint(rng, 0.25, 0.65, 0.05))


def dark_plate(rng: np.random.Generator, size_px: int) -> Plane:
    """A chute or black plate: little light, scratches, a dull reflection."""
    tone = 1 + 0.2 * fractal(rng, size_px, rng.uniform(2, 6), 4) + rng.uniform(0.02, 0.3) * fractal(rng, size_px, 80, 2)
    tone += rng.uniform(0, 2) * np.clip(noise(rng, size_px, (3, 3)), 0, None)
    return _tinted(_scratch(tone, rng, int(rng.integers(30)), 0.6), paint(rng, 0.015, 0.16, 0.15))


def wood(rng: np.random.Generator, size_px: int) -> Plane:
    """Grain along x, now and then in planks."""
    y, _ = _axes(size_px)
    rings = rng.uniform(4, 16) * (y + 0.12 * noise(rng, size_px, (5, 2)) + 0.02 * noise(rng, size_px, (25, 4)))
    fibre = noise(rng, size_px, (size_px / 2, rng.uniform(4, 15)))
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * rings) ** 3 + 0.25 * fibre
    hue = np.array([1, rng.uniform(0.66, 0.86), rng.uniform(0.4, 0.72)], np.float32)
    light, contrast = rng.uniform(0.25, 0.9), rng.uniform(0.08, 0.4)
    wooden = _tinted(light * (1 - contrast * grain), hue) ** (1 + 0.15 * grain[..., None])
    if rng.random() < 0.4:
        for seam in range(int(rng.integers(60)), size_px, int(rng.integers(50, 140))):
            wooden[seam : seam + 2] *= 0.4
            wooden[seam:] *= rng.uniform(0.9, 1.1)
    return np.asarray(wooden, np.float32)


def speckled(rng: np.random.Generator, size_px: int) -> Plane:
    """Plastic or stone with specks of other colours; terrazzo when they are large."""
    picture = _tinted(1 + 0.03 * fractal(rng, size_px, 5, 4), paint(rng))
    for _ in range(int(rng.integers(1, 4))):
        cells = size_px / rng.uniform(1.5, 9)
        specks = np.clip((noise(rng, size_px, (cells, cells)) - rng.uniform(1.0, 2.2)) * 4, 0, 1)[..., None]
        picture += specks * rng.uniform(0.3, 1) * (paint(rng, colourful=0.15) - picture)
    return picture


def fabric(rng: np.random.Generator, size_px: int) -> Plane:
    """Woven cloth, or felt when the weave is faint."""
    y, x = _axes(size_px)
    threads = rng.uniform(30, 110)
    wave = 2 * np.pi * threads
    warp_y, warp_x = (0.004 * noise(rng, size_px, (12, 12)) for _ in range(2))
    weave = np.sin(wave * (x + warp_x)) * np.sin(wave * (y + warp_y))
    tone = 1 + rng.uniform(0.02, 0.2) * weave + rng.uniform(0.03, 0.12) * noise(rng, size_px, (size_px, size_px))
    return _tinted(tone + 0.08 * fractal(rng, size_px, 3, 4), paint(rng, colourful=0.5))


def concrete(rng: np.random.Generator, size_px: int) -> Plane:
    """Concrete, stone, worn paint: cloudy, pitted, now and then cracked or veined."""
    tone = 1 + rng.uniform(0.05, 0.2) * fractal(rng, size_px, rng.uniform(2, 6), 7, 0.65)
    tone -= rng.uniform(0, 0.5) * np.clip(noise(rng, size_px, (size_px / 5, size_px / 5)) - 1.8, 0, 1)
    if rng.random() < 0.4:
        tone += rng.uniform(-0.4, 0.3) * np.exp(-12 * np.abs(fractal(rng, size_px, 3, 5)))
    return _tinted(tone, paint(rng, 0.2, 0.85, 0.1))


def tiles(rng: np.random.Generator, size_px: int) -> Plane:
    """Square tiles or a coarse grid: joints, and each tile a little another tone."""
    y, x = _axes(size_px)
    across = rng.uniform(2, 9)
    cell_y, cell_x = np.floor(across * y).astype(int), np.floor(across * x).astype(int)
    tone = (1 + rng.uniform(0, 0.12) * rng.standard_normal((10, 10)))[cell_y, cell_x].astype(np.float32)
    tone += 0.06 * fractal(rng, size_px, 6, 5)
    picture = _tinted(tone, paint(rng))
    off_y, off_x = (np.minimum(across * t % 1, 1 - across * t % 1) for t in (y, x))
    joint = (np.minimum(off_y, off_x) < rng.uniform(0.01, 0.05))[..., None]
    return np.where(joint, paint(rng) * (1 + 0.1 * noise(rng, size_px, (80, 80)))[..., None], picture)


def perforated(rng: np.random.Generator, size_px: int) -> Plane:
    """A sheet with round holes, or with bumps lit from one side."""
    y, x = _axes(size_px)
    pitch = rng.uniform(8, 26)
    row = np.floor(pitch * y)
    dy, dx = pitch * y % 1 - 0.5, (pitch * x + 0.5 * (row % 2)) % 1 - 0.5
    radius = rng.uniform(0.18, 0.4)
    inside = np.clip((radius - np.hypot(dy, dx)) * size_px / pitch / 1.5 + 0.5, 0, 1)
    tone = 1 + 0.08 * fractal(rng, size_px, 3, 5)
    angle = rng.uniform(0, 2 * np.pi)
    lit = (np.cos(angle) * dx + np.sin(angle) * dy) / radius
    holes = 1 - inside * rng.uniform(0.6, 0.98) if rng.random() < 0.5 else 1 + inside * lit * rng.uniform(0.2, 0.7)
    return _tinted(tone * holes, paint(rng, 0.1, 0.9, 0.1))


def ribbed(rng: np.random.Generator, size_px: int) -> Plane:
    """Ribs, corrugation, slats along x: shading from one side of each."""
    y, _ = _axes(size_px)
    phase = rng.uniform(6, 40) * (y + 0.003 * noise(rng, size_px, (4, 4))) % 1
    groove = np.clip((rng.uniform(0.03, 0.2) - phase) * 20, 0, 1)
    tone = 1 + rng.uniform(0.03, 0.35) * np.sin(2 * np.pi * phase) - rng.uniform(0, 0.7) * groove
    return _tinted(tone + 0.06 * fractal(rng, size_px, 3, 5), paint(rng))


def brown_board(rng: np.random.Generator, size_px: int) -> Plane:
    """Cardboard and kraft paper: fibres, faint corrugation, a crease or two."""
    y, _ = _axes(size_px)
    fibre = noise(rng, size_px, (size_px / 2, size_px / 7)) + noise(rng, size_px, (size_px / 5, size_px / 3))
    tone = 1 + 0.025 * fibre + 0.05 * fractal(rng, size_px, 2, 4)
    tone += rng.uniform(0, 0.04) * np.sin(2 * np.pi * rng.uniform(30, 60) * y)
    colour = np.array([1, rng.uniform(0.74, 0.84), rng.uniform(0.5, 0.66)], np.float32) * rng.uniform(0.4, 0.85)
    return _tinted(_scratch(tone, rng, int(rng.integers(6)), 0.15), colour)


# How often each is drawn: what trays are made of more often than the rest.
TEXTURES: dict[Texture, float] = {
    brushed_steel: 3,
    dark_plate: 3,
    plain: 3,
    white_board: 1.5,
    concrete: 1.5,
    speckled: 1.5,
    perforated: 1,
    ribbed: 1,
    fabric: 1,
    wood: 1,
    tiles: 1,
    brown_board: 1,
}
