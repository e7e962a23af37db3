"""Metal: a dented drinks can on its side, a gold food-tin lid."""

from __future__ import annotations

import math

import bpy
import numpy as np

from train.render import printing
from train.render.materials import surface
from train.render.shapes import Array, facets, lathe, lay_down, place, rounded


def _crush(vertices: Array) -> Array:
    """Squeeze the middle of an upright can: a waist, and creases that run across it."""
    turn = np.arctan2(vertices[:, 1], vertices[:, 0])
    height = vertices[:, 2]
    middle = np.exp(-(((height - 0.72) / 0.30) ** 2))
    dents = facets(turn * 0.33, height, 31, 6, 0.42)
    scale = 1 - middle * (0.16 + 0.13 * dents + 0.08 * np.cos(2 * turn + 1.0))
    bent = vertices.copy()
    bent[:, 0] *= scale
    bent[:, 1] *= scale
    bent[:, 1] += 0.10 * (height - 0.6) ** 2 - 0.05 * middle  # the whole can is a little bowed
    return bent


def _can_print() -> printing.Picture:
    """Red with a white wave; name and bar code twice around the can."""
    page = printing.blank(1400, 760, (186, 18, 28))
    x = np.arange(1400)
    for offset, ink in ((0, (245, 245, 245)), (60, (190, 195, 200))):
        for half in range(-26, 27):
            y = (520 + offset + half * 0.9 + 60 * np.sin(x * 2 * math.pi / 700)).astype(int)
            page[np.clip(y, 0, 759), x] = ink
    for centre in (350, 1050):
        printing.headline(page, "Zingo", (centre, 270), 5.0, (250, 250, 250), 14)
        printing.headline(page, "cherry cola", (centre, 400), 1.6, (250, 235, 200), 4)
    for left in (0, 700):
        printing.barcode(page, (left + 6, 120, left + 96, 330), left)
        printing.paragraph(page, (left + 6, 620, left + 230, 740), left + 1, (250, 250, 250), 0.45, 18)
    return np.roll(page, 350, 1)  # a name, not the bar code, faces the camera


def drinks_can() -> list[bpy.types.Object]:
    paint = surface("can print", roughness=0.28, metallic=0.75, coat=0.4, print_rgb=_can_print())
    bare = surface("aluminium", (0.80, 0.80, 0.81), roughness=0.22, metallic=1.0, bump=0.002, bump_scale=40)
    wall = [(0.33, h) for h in np.linspace(0.08, 1.10, 60)]
    body = lathe("body", wall, paint, segments=120, bend=_crush)
    foot = lathe(
        "foot",
        rounded([(0.02, 0.10), (0.16, 0.07), (0.235, 0.0), (0.26, 0.0), (0.29, 0.03), (0.33, 0.08)], 5),
        bare,
        segments=120,
        bend=_crush,
    )
    top = rounded(
        [
            (0.33, 1.10),
            (0.31, 1.15),
            (0.27, 1.20),
            (0.285, 1.225),
            (0.27, 1.235),
            (0.255, 1.19),
            (0.23, 1.18),
            (0.02, 1.195),
        ],
        5,
    )
    lid = lathe("lid", top, bare, segments=120, bend=_crush)
    tab = surface("hole", (0.01, 0.01, 0.01), roughness=0.6)
    hole = lathe("hole", [(0.0, 1.20), (0.10, 1.20)], tab, segments=32)
    place(hole, (-0.02, 0.10, 0.0))
    parts = [body, foot, lid, hole]
    lay_down(parts, 0.33, 32, 0.62)
    return parts


def tin_lid() -> list[bpy.types.Object]:
    gold = surface(
        "lacquer", (0.80, 0.50, 0.20), roughness=0.24, metallic=1.0, anisotropy=0.4, bump=0.0015, bump_scale=60
    )
    profile: list[tuple[float, float]] = [(0.0, 0.06)]
    for radius in np.linspace(0.01, 0.90, 240):  # flat middle, then pressed rings, a step, a rim
        rings = 0.022 * math.sin((radius - 0.40) * 2 * math.pi / 0.115) if 0.40 < radius < 0.745 else 0.0
        step = 0.05 / (1 + math.exp(-(radius - 0.36) / 0.008)) - 0.06 / (1 + math.exp(-(radius - 0.80) / 0.008))
        profile.append((float(radius), 0.06 + rings + step))
    profile += rounded([(0.905, 0.06), (0.91, 0.14), (0.94, 0.17), (0.97, 0.14), (0.975, 0.05), (0.96, 0.02)], 6)
    lid = lathe("lid", profile, gold, segments=160)
    place(lid, (0, 0, 0.02), (2.5, -2.0, 0))
    return [lid]
