"""Residual waste: a chocolate bar's wrapper, a squeezed toothpaste tube."""

from __future__ import annotations

import math

import bpy
import numpy as np

from train.render import printing
from train.render.materials import surface
from train.render.shapes import Array, facets, lathe, place, sheet


def _wrapper_print() -> printing.Picture:
    page = printing.blank(1100, 620, (168, 22, 26))
    page[:, :70], page[:, -70:] = (196, 190, 178), (196, 190, 178)
    page[200:430] = (120, 14, 18)
    page[192:200], page[430:438] = (222, 180, 80), (222, 180, 80)
    printing.headline(page, "CHOCCO", (470, 315), 4.4, (248, 225, 150), 14)
    page[60:180, 700:1010] = (245, 243, 238)
    printing.paragraph(page, (710, 62, 1000, 176), 71, (60, 40, 40), 0.5, 19)
    printing.barcode(page, (800, 455, 1000, 590), 72)
    printing.paragraph(page, (110, 460, 500, 600), 73, (250, 220, 200), 0.6, 24)
    return page


def wrapper() -> list[bpy.types.Object]:
    foil = surface("wrapper", roughness=0.24, metallic=0.35, coat=0.8, print_rgb=_wrapper_print())
    inside = surface("foil", (0.75, 0.75, 0.76), roughness=0.25, metallic=1.0)
    width, depth = 1.9, 1.05

    def bend(u: Array, v: Array) -> tuple[Array, Array, Array]:
        a, b = 2 * u - 1, 2 * v - 1
        seal = np.clip((np.abs(a) - 0.86) / 0.04, 0, 1)  # the crimped ends are flat and ribbed
        pillow = (1 - np.abs(a) ** 4) * (1 - b**2) ** 0.6
        gather = np.exp(-(1 - np.abs(a)) / 0.25) * np.sin(b * 19 + 2 * a)
        z = 0.20 * pillow * (1 - seal) + 0.05 * gather * (1 - seal) + seal * 0.010 * np.sin(a * 330)
        wrinkles = facets(a * 1.6, b, 74, 9, 0.55) * 0.075 + facets(a, b, 75, 6, 0.2) * 0.018
        z = z + wrinkles * (1 - 0.7 * seal)
        waist = 1 - 0.12 * np.exp(-(((a - 0.2) / 0.3) ** 2)) + 0.05 * facets(a, b, 76, 3, 0.9)
        bow = 0.12 * a**2
        return a * width / 2 + 0.03 * wrinkles, b * depth / 2 * waist + bow, z + 0.10

    def teeth(u: Array, v: Array) -> np.ndarray:
        saw = 0.010 * np.abs(2 * ((v * 26) % 1) - 1)
        return (u > saw) & (u < 1 - saw) & ~((u > 0.86) & (v > 0.86 - (u - 0.86) * 1.3))

    top = sheet("wrapper", (330, 190), bend, foil, mask=teeth)
    lower = sheet("inside", (110, 60), lambda u, v: (*bend(u, v)[:2], 0 * u + 0.02), inside)
    for part in (top, lower):
        place(part, (0, -0.05, 0.0), (0, 0, 27))
    return [top, lower]


def toothpaste() -> list[bpy.types.Object]:
    page = printing.blank(1100, 900, (240, 241, 242))
    page[:, :260] = (205, 25, 35)
    for band in range(40):
        page[:, 260 + band] = (205 - 4 * band, 25, 35 + 4 * band)
    for y in (225, 675):
        printing.headline(page, "Dentofix", (560, y - 30), 3.0, (25, 60, 150), 9)
        printing.headline(page, "FRESH MINT", (560, y + 80), 1.4, (30, 140, 110), 4)
        printing.paragraph(page, (760, y - 110, 1000, y + 130), y, (70, 70, 80), 0.5, 20)
    tube_skin = surface("tube", roughness=0.3, coat=0.3, print_rgb=page)
    white = surface("cap", (0.78, 0.78, 0.77), roughness=0.4)
    length, round_r = 1.75, 0.25

    def bend(u: Array, v: Array) -> tuple[Array, Array, Array]:
        # u from the shoulder (round) to the crimp (flat and wide); v once around
        turn = -v * 2 * math.pi  # backwards, or the print would be mirrored
        flat = u**0.7
        half_w = round_r + (math.pi / 2 * round_r - round_r) * flat
        half_h = round_r * (1 - flat) + 0.012
        dent = 1 - 0.45 * np.exp(-(((u - 0.45) / 0.16) ** 2)) * (0.7 + 0.5 * facets(u * 2, v * 2, 77, 4, 0.5))
        y = half_w * np.cos(turn)
        z = half_h * np.sin(turn) * dent + round_r * (1 - 0.85 * flat) + 0.02 * facets(u * 2, y, 78, 5, 0.5) * flat
        return (u - 0.5) * length, y + 0.10 * np.sin(u * 2.6), z + 0.03

    tube = sheet("tube", (160, 120), bend, tube_skin)
    collar = lathe("collar", [(0.25, 0.0), (0.25, 0.02), (0.12, 0.07), (0.10, 0.12)], white, segments=48)

    def knurl(vertices: Array) -> Array:
        turn = np.arctan2(vertices[:, 1], vertices[:, 0])
        ripple = 1 + 0.03 * np.sign(np.sin(turn * 24))
        return vertices * np.stack([ripple, ripple, np.ones_like(ripple)], -1)

    cap = lathe("cap", [(0.15, 0.10), (0.13, 0.36), (0.11, 0.38), (0.0, 0.38)], white, segments=144, bend=knurl)
    for part in (collar, cap):
        place(part, (-length / 2, 0, 0.28), (0, -90, 0))
    parts = [tube, collar, cap]
    for part in parts:
        place(part, (0.1, 0, 0), (0, 0, -38))
    return parts
