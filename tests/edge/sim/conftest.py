"""Drawn footage, small and quick: what the simulated tray plays where the shipped clip would be too much."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.domain import RgbImage

WIDTH, HEIGHT, FPS = 192, 144, 15
BOXES = {"can": (40, 50, 90, 120), "sheet": (80, 20, 170, 110)}
COLOURS = {"can": (180, 60, 50), "sheet": (235, 235, 240)}


def tray() -> RgbImage:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    shade = 150 - 40 * ((x / WIDTH - 0.5) ** 2 + (y / HEIGHT - 0.5) ** 2)
    return np.repeat(shade[..., None], 3, axis=2).astype(np.uint8)


def with_item(name: str, dx: int = 0) -> RgbImage:
    rgb = tray()
    x0, y0, x1, y1 = BOXES[name]
    rgb[y0:y1, max(0, x0 + dx) : max(0, x1 + dx)] = COLOURS[name]
    return rgb


@pytest.fixture(scope="session")
def drawn_footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tray.mp4 and chapters.json: a can and a sheet of paper."""
    folder = tmp_path_factory.mktemp("footage")
    frames = [tray()] * 3
    items: list[dict[str, Any]] = []
    for name, box in BOXES.items():
        spans = {}
        for part, shifts in (("appear", range(-180, 0, 30)), ("still", [0, 0]), ("taken", range(40, 200, 40))):
            spans[part] = [len(frames), len(frames) + len(shifts) - 1]
            frames += [with_item(name, dx) for dx in shifts]
        items.append({"name": name, "label": "metal" if name == "can" else "paper", **spans, "box": box})
    writer = cv2.VideoWriter(str(folder / "tray.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    chapters = {"schema": 1, "fps": FPS, "size": [WIDTH, HEIGHT], "empty": [0, 2], "items": items}
    (folder / "chapters.json").write_text(json.dumps(chapters))
    return folder
