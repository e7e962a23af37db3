"""Pictures cut from the rendered stills: crops as the bin makes them, golden inputs, the contact sheet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from train.render.items import Item

CROP_PX = 224
TILE_PX = (220, 165)  # of the contact sheet
MARGIN = 0.2  # of the box, on each side: about what the bin's presence detector leaves around an item
# one for each class: enough to tell a wrong engine from a right one
GOLDEN = ("green-bottle", "torn-board", "drinks-can", "water-bottle", "flyer", "wrapper")


def crop(picture: NDArray[np.uint8], box: list[int]) -> NDArray[np.uint8]:
    """The box with its margin, (H, W, 3) → (224, 224, 3) uint8, squashed to a square as in the bin."""
    height, width = picture.shape[:2]
    dx, dy = MARGIN * (box[2] - box[0]), MARGIN * (box[3] - box[1])
    x0, y0 = max(0, round(box[0] - dx)), max(0, round(box[1] - dy))
    x1, y1 = min(width, round(box[2] + dx)), min(height, round(box[3] + dy))
    cut = cv2.resize(picture[y0:y1, x0:x1], (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cut, np.uint8)


def write_crop(still: Path, box: list[int], out: Path) -> None:
    """The crop of a rendered still, as a PNG."""
    cv2.imwrite(str(out), crop(cv2.imread(str(still)), box))


def write_golden(boxes: dict[str, list[int]], work: Path, out: Path) -> None:
    """The self-test's inputs: one crop per class."""
    out.mkdir(parents=True, exist_ok=True)
    for slug in GOLDEN:
        write_crop(work / f"{slug}_still.png", boxes[slug], out / f"{slug}.png")


def write_sheet(items: tuple[Item, ...], work: Path, out: Path, columns: int = 4) -> None:
    """All items in a grid, names below."""
    tiles = [_tile(work / f"{item.slug}_still.png", f"{item.name} ({item.label})") for item in items]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(out), np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _tile(still: Path, caption: str) -> NDArray[np.uint8]:
    tile = np.full((TILE_PX[1] + 24, TILE_PX[0], 3), 255, np.uint8)
    tile[: TILE_PX[1]] = cv2.resize(cv2.imread(str(still)), TILE_PX, interpolation=cv2.INTER_AREA)
    tile[:, :2] = tile[:, -2:] = 255  # a thin gap between neighbours
    cv2.putText(tile, caption, (5, TILE_PX[1] + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (40, 40, 40), 1, cv2.LINE_AA)
    return tile
