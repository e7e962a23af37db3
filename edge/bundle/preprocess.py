"""From a file or a camera's frame to what the network is fed: uint8 in, uint8 out.

This module and the exported graph are the only two places where a picture is prepared. Here it is decoded,
cropped and resized; normalisation is inside the graph. `train` evaluates through the same functions, so an
accuracy measured there is the accuracy of the bin.

OpenCV is imported by the functions: an engine's process reads the manifest too, and prepares no picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from edge.domain import RgbImage
from edge.errors import UnreadablePicture


class Preprocessing(BaseModel):
    """How a picture becomes the network's input. Travels in the manifest, beside the weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_px: int = Field(ge=32, le=1024, description="side of the square input, pixels")
    resize: Literal["squash"] = Field(description="squash: the whole crop becomes the square, its aspect is not kept")
    interpolation: Literal["area"] = Field(description="area: OpenCV INTER_AREA")
    colour: Literal["rgb"] = Field(description="channel order of the input")


def decode(encoded: bytes, *, name: str) -> RgbImage:
    """Decode a JPEG, PNG, WebP or BMP file's bytes to (H, W, 3) uint8 RGB.

    EXIF orientation is applied. `name` stands in the error.

    Raises:
        UnreadablePicture: the bytes are not a picture that OpenCV can decode.
    """
    import cv2

    if not encoded:
        raise UnreadablePicture(f"{name}: the file is empty; expected a JPEG, PNG, WebP or BMP picture")
    try:
        bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadablePicture(
            f"{name}: OpenCV cannot decode it ({error.err}); save it again as JPEG or PNG"
        ) from None
    if bgr is None:
        raise UnreadablePicture(
            f"{name}: not a picture (first bytes {encoded[:8]!r}); expected a JPEG, PNG, WebP or BMP file"
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_picture(path: Path) -> RgbImage:
    """Read a picture file to (H, W, 3) uint8 RGB.

    Raises:
        UnreadablePicture: the file is missing, unreadable, or not a picture.
    """
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise UnreadablePicture(f"{path}: {error.strerror or error}") from None
    return decode(encoded, name=str(path))


def to_input(rgb: RgbImage, spec: Preprocessing) -> RgbImage:
    """(H, W, 3) uint8 RGB → (size_px, size_px, 3) uint8 RGB.

    Raises:
        ValueError: the picture is not (H, W, 3) uint8.
    """
    import cv2

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected an RGB picture (H, W, 3) uint8, found {rgb.shape} {rgb.dtype}")
    # INTER_AREA averages what it shrinks: the one filter whose result does not depend on where the pixels fall.
    # OpenCV's is quick where it halves, and slow where it averages fractions of pixels. So: halved to about twice the
    # size that is asked for, drawn to exactly twice it, and halved. Of photographs the result differs from INTER_AREA's
    # own by a third of a grey level on average.
    side_px, twice_px, enough_px = spec.size_px, 2 * spec.size_px, 3 * spec.size_px
    while min(rgb.shape[:2]) >= enough_px:
        rgb = _halved(rgb, 2, 2, cv2.INTER_AREA)
    # Of one side alone: at exactly a half, bilinear interpolation is the mean of two pixels, and faster.
    while rgb.shape[0] >= enough_px:
        rgb = _halved(rgb, 2, 1, cv2.INTER_LINEAR)
    while rgb.shape[1] >= enough_px:
        rgb = _halved(rgb, 1, 2, cv2.INTER_LINEAR)
    if min(rgb.shape[:2]) < side_px:
        return np.asarray(cv2.resize(rgb, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    rgb = np.asarray(cv2.resize(rgb, (twice_px, twice_px), interpolation=cv2.INTER_LINEAR), np.uint8)
    return _halved(rgb, 2, 2, cv2.INTER_AREA)


def _halved(rgb: RgbImage, down: int, across: int, interpolation: int) -> RgbImage:
    """(H, W, 3) → (H // down, W // across, 3). An odd last row or column goes: less than a pixel of the result."""
    import cv2

    height, width = rgb.shape[0] // down, rgb.shape[1] // across
    even = rgb[: down * height, : across * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=interpolation), np.uint8)
