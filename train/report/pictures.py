"""Photographs for the page: small, with evidence over them, inside the page itself."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import read_picture
from edge.domain import RgbImage

SIDE_PX = 160
"""Of the longer side, on the page."""
FULL_EVIDENCE_LOGITS = 1.0
"""Weaker evidence than this is drawn faintly, so that a network that sees nothing does not glow."""
STRONGEST_HEAT = 0.7
"""Opacity where the evidence is strongest; the item stays visible below it."""


def thumbnail(path: Path) -> RgbImage:
    """A photograph, at most SIDE_PX on its longer side: (h, w, 3) uint8 RGB.

    Raises:
        UnreadablePicture: it cannot be read.
    """
    rgb = read_picture(path)
    height, width = rgb.shape[:2]
    scale = min(1.0, SIDE_PX / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def heat(rgb: RgbImage, evidence: NDArray[np.float32], full: float) -> RgbImage:
    """The picture (H, W, 3) with the evidence (h, w), logits, over it: from `full` on it glows most.

    Evidence against the class leaves the picture as it is.
    """
    height, width = rgb.shape[:2]
    fine = cv2.resize(evidence, (width, height), interpolation=cv2.INTER_CUBIC)
    strength = np.clip(fine / max(full, FULL_EVIDENCE_LOGITS), 0.0, 1.0)  # (H, W)
    colours = cv2.applyColorMap(np.rint(255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = (STRONGEST_HEAT * strength)[:, :, None]
    return np.asarray(np.rint(rgb * (1 - opacity) + colours[:, :, ::-1] * opacity), np.uint8)


def jpeg_uri(rgb: RgbImage) -> str:
    """The picture as the `src` of an `<img>`."""
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def png_uri(path: Path) -> str:
    """A PNG file as the `src` of an `<img>`."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
