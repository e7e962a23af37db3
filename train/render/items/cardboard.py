"""Cardboard: a piece torn from a box, and a small open box."""

from __future__ import annotations

import math

import bpy
import cv2
import numpy as np
from numpy.typing import NDArray

from train.render import printing
from train.render.materials import surface
from train.render.shapes import Array, Shape, facets, mesh_object, place, sheet

# two cut edges (left, lower) and two torn ones; u, v in [0, 1]
TORN = (
    (0.05, 0.06),
    (0.62, 0.05),
    (0.66, 0.11),
    (0.93, 0.13),
    (0.96, 0.33),
    (0.88, 0.47),
    (0.92, 0.64),
    (0.82, 0.80),
    (0.85, 0.92),
    (0.60, 0.95),
    (0.47, 0.87),
    (0.28, 0.93),
    (0.04, 0.86),
)


def _outline(seed: int, grow: float, rough: float) -> NDArray[np.bool_]:
    """The torn outline as a picture of 1000 x 1000 cells, its edges broken again and again at their middle."""
    rng = np.random.default_rng(seed)
    points = (np.array(TORN) - 0.5) * (1 + grow) + 0.5
    for level in range(5):
        across = np.roll(points, -1, 0) - points
        normal = np.stack([across[:, 1], -across[:, 0]], -1)
        middle = points + across / 2 + normal * rng.normal(0, rough, (len(points), 1)) * (0.6 if level < 2 else 1.0)
        points = np.stack([points, middle], 1).reshape(-1, 2)
    page = np.zeros((1000, 1000), np.uint8)
    return cv2.fillPoly(page, [np.rint(points * 1000).astype(np.int32)], 1) > 0


def _inside(u: Array, v: Array, outline: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which cells lie inside an outline."""
    return outline[(v * 1000).astype(int), (u * 1000).astype(int)]


def torn_board() -> list[bpy.types.Object]:
    width, depth = 1.95, 1.52
    print_rgb = printing.kraft(1000, 780, 11)
    dark = (88, 66, 48)
    printing.headline(print_rgb, "THIS SIDE UP", (560, 200), 2.0, dark, 6)
    printing.write(print_rgb, "22x17x13  LARGE", (330, 290), 1.3, dark, 3)
    for arrow in (330, 430):
        cv2.arrowedLine(print_rgb, (arrow, 600), (arrow, 400), dark, 12, cv2.LINE_AA, 0, 0.4)
    printing.paragraph(print_rgb, (520, 420, 800, 560), 12, dark, 0.6, 30)
    board = surface("liner", roughness=0.8, print_rgb=printing.grain(print_rgb, 13, 3), bump=0.004, bump_scale=30)
    torn = surface(
        "torn ply", roughness=0.95, bump=0.03, bump_scale=22, print_rgb=printing.kraft(600, 500, 14, (214, 182, 140), 9)
    )

    def shape(lift: float) -> Shape:
        def bend(u: Array, v: Array) -> tuple[Array, Array, Array]:
            x, y = (u - 0.5) * width, (v - 0.5) * depth
            fold = np.maximum(0, x - 0.22 - 0.1 * y) * 0.36 + np.maximum(0, -x - 0.54 + 0.12 * y) * 0.42
            flutes = 0.004 * np.sin(u * 2 * math.pi * 46)
            return x, y, 0.07 + fold + flutes + 0.035 * facets(x, y, 15, 7, 1.1) + lift

        return bend

    cells = (300, 230)
    upper, lower = _outline(16, 0.0, 0.09), _outline(17, 0.035, 0.13)
    top = sheet("top", cells, shape(0.035), board, mask=lambda u, v: _inside(u, v, upper), thickness=0.008)
    under = sheet("under", cells, shape(0.0), torn, mask=lambda u, v: _inside(u, v, lower), thickness=0.02)
    for part in (top, under):
        place(part, (0, 0, 0), (0, 0, 14))
    return [top, under]


def _panel(
    name: str, corners: list[tuple[float, float, float]], outside: bpy.types.Material, flute: bpy.types.Material
) -> bpy.types.Object:
    """A board with four corners given as seen from its printed side, 0.05 thick, its cut edges showing the flutes."""
    face = np.array(corners, float)
    normal = np.cross(face[1] - face[0], face[3] - face[0])
    normal *= 0.05 / np.linalg.norm(normal)
    points, faces, uv = [*face, *(face - normal)], [(0, 1, 2, 3), (7, 6, 5, 4)], [(0, 0), (1, 0), (1, 1), (0, 1)] * 2
    thing = mesh_object(name, np.array(points), faces, outside, np.array(uv, float), smooth=False)
    rims, rim_faces, rim_uv = [], [], []
    for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)):
        n, length = len(rims), float(np.linalg.norm(face[a] - face[b]))
        rims += [face[a], face[b], face[b] - normal, face[a] - normal]
        rim_faces.append((n, n + 3, n + 2, n + 1))
        rim_uv += [(0, 0), (length, 0), (length, 1), (0, 1)]
    edge = mesh_object(name + " edge", np.array(rims), rim_faces, flute, np.array(rim_uv) * [0.5, 1], smooth=False)
    edge.parent = thing
    return thing


def _flute_print() -> printing.Picture:
    """A cut edge: a dark wave between two liners; one picture is two decimetres of it."""
    page = printing.blank(1600, 40, (92, 66, 42))
    x = np.arange(1600)
    for offset in range(-5, 6):
        y = np.clip(20 + 13 * np.sin(x * 2 * math.pi / 32) + offset, 0, 39).astype(int)
        page[y, x] = (190, 150, 106)
    page[:6], page[-6:] = (196, 156, 112), (196, 156, 112)
    return page


def open_box() -> list[bpy.types.Object]:
    w, d, h = 0.70, 0.50, 0.50  # half width, half depth, height
    i = d - 0.052  # the side walls stand between the front and the back
    kraft = printing.kraft(900, 640, 21, (190, 148, 102))
    plain = surface("kraft", roughness=0.85, print_rgb=kraft, bump=0.004, bump_scale=30)
    marked = printing.kraft(900, 320, 22, (184, 142, 97))
    printing.write(marked, "FRAGILE  6 x 500 g", (120, 150), 2.0, (84, 60, 44), 5)
    printing.barcode(marked, (640, 190, 840, 290), 23, (184, 142, 97))
    front = surface("kraft print", roughness=0.85, print_rgb=marked)
    flute = surface("flutes", roughness=0.9, print_rgb=_flute_print())
    out, rise = 0.36, 0.12  # how far a flap folds outwards, and how far it still rises
    panels = [
        _panel("bottom", [(-w, -d, 0.05), (w, -d, 0.05), (w, d, 0.05), (-w, d, 0.05)], plain, flute),
        _panel("left", [(-w, i, 0), (-w, -i, 0), (-w, -i, h), (-w, i, h)], plain, flute),
        _panel("right", [(w, -i, 0), (w, i, 0), (w, i, h), (w, -i, h)], plain, flute),
        _panel("front", [(-w, -d, 0), (w, -d, 0), (w, -d, h), (-w, -d, h)], plain, flute),
        _panel("back", [(w, d, 0), (-w, d, 0), (-w, d, h), (w, d, h)], plain, flute),
        _panel(
            "flap front", [(-w, -d - out, h - rise), (w, -d - out, h - rise), (w, -d, h), (-w, -d, h)], front, flute
        ),
        _panel(
            "flap back",
            [(-w, d, h), (w, d, h), (w, d + out * 0.8, h + rise), (-w, d + out * 0.8, h + rise)],
            plain,
            flute,
        ),
        _panel(
            "flap left",
            [(-w - out * 0.9, d, h - 0.2), (-w - out * 0.9, -d, h - 0.2), (-w, -d, h), (-w, d, h)],
            plain,
            flute,
        ),
        _panel(
            "flap right",
            [(w, -d, h), (w + out * 0.5, -d, h + 0.35), (w + out * 0.5, d, h + 0.35), (w, d, h)],
            plain,
            flute,
        ),
    ]
    for panel in panels:
        place(panel, (0.02, 0, 0.0), (0, 0, -17))
    return panels
