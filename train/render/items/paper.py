"""Paper: a supermarket flyer with a dog-ear, a crumpled letter."""

from __future__ import annotations

import bpy
import numpy as np

from train.render import printing
from train.render.materials import surface
from train.render.shapes import Array, facets, place, sheet


def _flyer_print() -> printing.Picture:
    """A grid of offers: photographs, prices, small print."""
    page = printing.blank(1000, 1300, (248, 246, 240))
    page[:190] = (196, 22, 30)
    printing.headline(page, "SUPER SAVER", (500, 80), 3.4, (255, 230, 60), 9)
    printing.write(page, "week 32   fresh for less", (250, 160), 1.3, (255, 255, 255), 3)
    rng = np.random.default_rng(41)
    inks: list[printing.Ink] = [
        (170, 60, 40),
        (70, 130, 50),
        (215, 160, 60),
        (120, 80, 50),
        (60, 90, 150),
        (150, 40, 90),
    ]
    for row in range(4):
        for column in range(3):
            x, y = 22 + column * 325, 210 + row * 270
            if (row + column) % 4 == 1:
                page[y : y + 255, x : x + 310] = (250, 220, 70)
            printing.photo_like(
                page, (x + 10, y + 12, x + 190, y + 160), row * 3 + column, inks[(row * 2 + column) % 6]
            )
            printing.write(
                page, f"{rng.integers(1, 10)}.{rng.integers(10, 99)}", (x + 195, y + 90), 1.5, (190, 10, 20), 5
            )
            printing.paragraph(page, (x + 10, y + 165, x + 290, y + 250), row * 9 + column, (40, 40, 40), 0.5, 22)
    return page


def flyer() -> list[bpy.types.Object]:
    width, depth = 1.45, 1.85
    paper = surface("newsprint", roughness=0.5, print_rgb=printing.grain(_flyer_print(), 42, 3))

    def bend(u: Array, v: Array) -> tuple[Array, Array, Array]:
        x, y = (u - 0.5) * width, (v - 0.5) * depth
        # folded once across and opened again; one corner curls up and over
        crease = 0.13 * np.exp(-np.abs(y - 0.1) / 0.35)
        corner = np.maximum(0, (u + v) - 1.62)
        z = 0.03 + crease + 0.9 * corner**1.5 + 0.035 * facets(x, y, 43, 6, 1.0) + 0.04
        return x - 0.45 * corner, y - 0.45 * corner, z

    page = sheet("flyer", (160, 200), bend, paper)
    place(page, (0, 0.0, 0), (0, 0, 63))
    return [page]


def crumpled_letter() -> list[bpy.types.Object]:
    page = printing.blank(900, 1200, (244, 243, 240))
    printing.headline(page, "Dear customer,", (300, 130), 1.6, (40, 40, 50), 3)
    for block in range(4):
        printing.paragraph(page, (90, 190 + block * 230, 820, 390 + block * 230), 50 + block, (70, 70, 75), 0.9, 36)
    paper = surface("letter", roughness=0.75, print_rgb=page, translucent=0.0)
    size = 1.85

    def bend(u: Array, v: Array) -> tuple[Array, Array, Array]:
        x, y = (u - 0.5) * size * 0.75, (v - 0.5) * size
        broad, creases, fine = facets(x, y, 52, 3, 1.6), facets(x, y, 53, 8, 0.75), facets(x, y, 54, 6, 0.22)
        z = 0.14 * broad + 0.105 * creases + 0.016 * fine
        # one corner is folded over, its back to the camera
        over = np.maximum(0, u - v - 0.55)
        x, y, z = x - 1.25 * over * size * 0.75, y + 1.25 * over * size, z + 0.35 * np.sqrt(over)
        return x + 0.05 * creases + 0.03 * fine, y + 0.05 * broad - 0.03 * fine, z - z.min() + 0.02

    letter = sheet("letter", (240, 320), bend, paper)
    place(letter, (0, -0.05, 0.0), (0, 0, -24))
    return [letter]
