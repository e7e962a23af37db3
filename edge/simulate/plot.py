"""Curves as a PNG, drawn with OpenCV: a bin has no plotting library, and needs none for this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH_PX, PANEL_PX = 960, 220
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 80, 20, 40, 36
BLACK, GREY = (40, 40, 40), (215, 215, 215)
COLOURS = ((180, 90, 20), (40, 120, 220))  # BGR


class Panel(NamedTuple):
    """One diagram: its title, and its curves by name, each with a value for every x."""

    title: str
    curves: Mapping[str, Sequence[float]]


def draw(path: Path, title: str, x_name: str, xs: Sequence[float], panels: Sequence[Panel]) -> None:
    """Write the panels below each other. Every y axis begins at 0, so that a small growth looks small."""
    head_px = 40
    image = np.full((head_px + PANEL_PX * len(panels), WIDTH_PX, 3), 255, np.uint8)
    _text(image, title, (LEFT_PX, 26), 0.6)
    for at, panel in enumerate(panels):
        _panel(image[head_px + at * PANEL_PX : head_px + (at + 1) * PANEL_PX], panel, x_name, xs)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def _panel(image: NDArray[np.uint8], panel: Panel, x_name: str, xs: Sequence[float]) -> None:
    low, high = TOP_PX, PANEL_PX - BOTTOM_PX
    most = max((max(curve) for curve in panel.curves.values()), default=0.0) * 1.15 or 1.0
    span = max(xs) or 1.0
    _text(image, panel.title, (LEFT_PX, TOP_PX - 14), 0.5)
    for share in (0.0, 0.5, 1.0):
        y = round(high - share * (high - low))
        cv2.line(image, (LEFT_PX, y), (WIDTH_PX - RIGHT_PX, y), GREY, 1)
        _text(image, f"{share * most:.4g}", (8, y + 4), 0.4)
        x = round(LEFT_PX + share * (WIDTH_PX - LEFT_PX - RIGHT_PX))
        _text(image, f"{share * span:,.0f}", (x - 36 * (share > 0), high + 16), 0.4)
    _text(image, x_name, (WIDTH_PX // 2 + 40, high + 16), 0.4)
    for at, (name, curve) in enumerate(panel.curves.items()):
        colour = COLOURS[at % len(COLOURS)]
        points = [
            (round(LEFT_PX + x / span * (WIDTH_PX - LEFT_PX - RIGHT_PX)), round(high - y / most * (high - low)))
            for x, y in zip(xs, curve, strict=True)
        ]
        cv2.polylines(image, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)
        _text(image, name, (WIDTH_PX - 330 + 165 * at, TOP_PX - 14), 0.45, colour)


def _text(
    image: NDArray[np.uint8], text: str, at: tuple[int, int], scale: float, colour: tuple[int, int, int] = BLACK
) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
