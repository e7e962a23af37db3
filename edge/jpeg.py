"""JPEGs of what the camera saw, and the comment that a JPEG can carry."""

from __future__ import annotations

import cv2
import numpy as np

from edge.domain import RgbImage
from edge.errors import UnreadablePicture

START, COMMENT = b"\xff\xd8", b"\xff\xfe"
MAX_COMMENT_BYTES = 65_533


def shrunk(rgb: RgbImage, side_px: int) -> tuple[RgbImage, float]:
    """(H, W, 3) → the same with a longer side of at most `side_px`, and by how much it was scaled."""
    height, width = rgb.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1.0:
        return rgb, 1.0
    side = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(cv2.resize(rgb, side, interpolation=cv2.INTER_AREA), np.uint8), scale


def jpeg_of(rgb: RgbImage, quality: int) -> bytes:
    """(H, W, 3) uint8 → a JPEG file."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise UnreadablePicture(f"OpenCV cannot encode a picture of shape {rgb.shape} as JPEG")
    return jpeg.tobytes()


def with_comment(jpeg: bytes, text: str) -> bytes:
    """The same picture with this comment at its beginning, in the place of one that is there."""
    comment = text.encode()
    if len(comment) > MAX_COMMENT_BYTES:
        raise ValueError(f"a comment has at most {MAX_COMMENT_BYTES} bytes, found {len(comment)}")
    rest = jpeg[_comment_end(jpeg) :]
    return START + COMMENT + (len(comment) + 2).to_bytes(2, "big") + comment + rest


def comment_of(jpeg: bytes) -> str | None:
    """The comment at a picture's beginning; None when there is none, or not all of it. The first bytes are enough."""
    end = _comment_end(jpeg)
    if end == 2 or end > len(jpeg):
        return None
    return jpeg[6:end].decode(errors="replace")


def _comment_end(jpeg: bytes) -> int:
    if not jpeg.startswith(START):
        raise UnreadablePicture("this is not a JPEG file")
    return 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == COMMENT else 2
