"""Glass: a green bottle on its side, an empty jar."""

from __future__ import annotations

import bpy

from train.render import printing
from train.render.labels import sleeve
from train.render.materials import clear
from train.render.shapes import lathe, lay_down, rounded

# (radius, height) of a wine-like bottle, from the punt's edge up to the lip
BOTTLE = [
    (0.02, 0.10),
    (0.20, 0.05),
    (0.31, 0.0),
    (0.36, 0.05),
    (0.37, 0.18),
    (0.37, 1.10),
    (0.36, 1.25),
    (0.27, 1.47),
    (0.17, 1.66),
    (0.145, 1.80),
    (0.14, 2.12),
    (0.165, 2.14),
    (0.17, 2.20),
    (0.15, 2.24),
]


def hollow(outer: list[tuple[float, float]], wall: float, floor: float) -> list[tuple[float, float]]:
    """Close an outer profile with an inner one: glass has two surfaces, and both bend light."""
    inner = [(max(r - wall, 0.004), h) for r, h in outer if h > floor]
    return [*outer, *reversed(inner), (0.0, floor)]


def green_bottle() -> list[bpy.types.Object]:
    glass = clear("green glass", (0.10, 0.56, 0.14), shade=(0.42, 0.70, 0.46), bump=0.002)
    bottle = lathe("bottle", hollow(rounded(BOTTLE), 0.035, 0.13), glass, segments=96)
    label = printing.grain(printing.blank(420, 520, (232, 226, 205)), 3, 3)
    label[:26], label[-26:], label[40:46], label[-46:-40] = (30, 70, 40), (30, 70, 40), (170, 140, 60), (170, 140, 60)
    printing.headline(label, "VALMONT", (210, 130), 1.7, (30, 60, 35), 4)
    printing.headline(label, "sparkling", (210, 200), 1.1, (150, 40, 40), 2)
    printing.paragraph(label, (60, 250, 360, 400), 4, scale=0.45)
    printing.barcode(label, (250, 405, 370, 465), 5)
    label_round = sleeve(0.377, 0.32, 0.98, 150, label)
    lay_down([bottle, label_round], 0.375, 38, 1.12)
    return [bottle, label_round]


def clear_jar() -> list[bpy.types.Object]:
    glass = clear("clear glass", (0.965, 0.99, 0.975), shade=(0.93, 0.945, 0.94), bump=0.0025, bump_scale=3)
    outer = rounded(
        [
            (0.02, 0.05),
            (0.35, 0.03),
            (0.46, 0.0),
            (0.52, 0.05),
            (0.535, 0.2),
            (0.535, 0.95),
            (0.51, 1.08),
            (0.44, 1.15),
            (0.43, 1.19),
        ],
        8,
    )
    for turn in range(3):  # the screw thread, as three rings
        low = 1.20 + 0.055 * turn
        outer += [(0.43, low), (0.455, low + 0.02), (0.43, low + 0.04)]
    outer += [(0.43, 1.37), (0.44, 1.39), (0.42, 1.41)]
    jar = lathe("jar", hollow(outer, 0.065, 0.11), glass, segments=96)
    lay_down([jar], 0.535, -28, 0.70)
    return [jar]
