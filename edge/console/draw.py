"""Pictures for the page: pure functions on (H, W, 3) uint8 RGB arrays."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import RgbImage

FULL_EVIDENCE_LOGITS = 1.0
"""Weaker evidence than this is drawn faintly, so that an item that speaks for nothing does not glow."""

STRONGEST_HEAT = 0.7
"""Opacity where the evidence is strongest; the item stays visible below it."""


def heat_overlay(rgb: RgbImage, evidence: NDArray[np.float32]) -> RgbImage:
    """The picture with the evidence over it: (H, W, 3) and (h, w) logits → (H, W, 3).

    Evidence for the label glows, the brighter the stronger; evidence against it leaves the picture as it is.
    """
    if evidence.ndim != 2 or evidence.size == 0:
        raise ValueError(f"expected evidence (h, w), found {evidence.shape}")
    height, width = rgb.shape[:2]
    known = np.nan_to_num(evidence.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    fine = cv2.resize(known, (width, height), interpolation=cv2.INTER_CUBIC)
    strength = np.clip(fine / max(float(known.max()), FULL_EVIDENCE_LOGITS), 0.0, 1.0)  # (H, W) 0..1
    colours = cv2.applyColorMap(np.rint(255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = (STRONGEST_HEAT * strength)[:, :, None]
    return np.asarray(np.rint(rgb * (1 - opacity) + colours[:, :, ::-1] * opacity), np.uint8)


def shrunk(rgb: RgbImage, side_px: int) -> RgbImage:
    """The picture, at most `side_px` on its longer side; never enlarged."""
    height, width = rgb.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def data_uri(rgb: RgbImage, quality: int = 85) -> str:
    """The picture as the `src` of an `<img>`: nothing is written to disk and no second request is needed."""
    encoded, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise ValueError(f"OpenCV cannot encode a picture of shape {rgb.shape} as JPEG")
    return jpeg_uri(base64.b64encode(jpeg.tobytes()).decode("ascii"))


def jpeg_uri(jpeg_base64: str) -> str:
    """A JPEG's base64 as the `src` of an `<img>`."""
    return f"data:image/jpeg;base64,{jpeg_base64}"
