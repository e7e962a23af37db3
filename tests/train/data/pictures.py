"""Pictures with something in them, so that copies and objects can be recognised."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def picture(seed: int, width: int = 256, height: int = 192) -> Picture:
    """(height, width, 3) uint8 BGR: forty rectangles and words on a tinted board, others for another seed."""
    rng = np.random.default_rng(seed)
    board = np.full((192, 256, 3), rng.integers(60, 240, 3), np.uint8)
    for _ in range(40):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 8, 8), (240, 180, 60, 50)))
        colour = tuple(int(c) for c in rng.integers(0, 255, 3))
        cv2.rectangle(board, (x, y), (x + w, y + h), colour, -1)
        cv2.putText(board, str(int(rng.integers(1e6))), (x, y + 10), cv2.FONT_HERSHEY_PLAIN, 0.9, colour[::-1])
    large = cv2.resize(board, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(large, None, 1.5), np.uint8)  # a lens draws no edge of one pixel


def save(path: Path, bgr: Picture, quality: int = 92) -> None:
    """Write a JPEG (or what the suffix says); the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    encoded = cv2.imencode(path.suffix.lower(), bgr, options)[1]
    path.write_bytes(encoded.tobytes())
