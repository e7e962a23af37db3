"""A stranger's picture file → what may be decoded and sent on, in little memory whatever the file says of itself."""

from __future__ import annotations

import io
import warnings

import cv2
import numpy as np
from PIL import Image

from edge.bundle.preprocess import decode
from edge.control import PHOTOGRAPH_LIMIT_BYTES
from edge.domain import RgbImage
from edge.errors import UnreadablePicture

MOST_MEGAPIXELS = 100
"""More than any phone's camera gives."""
WHOLE_MEGAPIXELS = 16
"""A larger JPEG is decoded at a half, a quarter or an eighth of its size, which takes as much less memory."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


def read_upload(encoded: bytes, name: str) -> tuple[RgbImage, bytes]:
    """The picture, and the file to classify: as it came, or smaller where it was very large.

    Raises:
        UnreadablePicture: not a picture, or too large.
    """
    if len(encoded) > PHOTOGRAPH_LIMIT_BYTES:
        found, most = len(encoded) / 1e6, PHOTOGRAPH_LIMIT_BYTES / 1e6
        raise UnreadablePicture(f"{name} has {found:.1f} MB, the most is {most:.0f} MB")
    kind, megapixels = _header(encoded, name)
    if megapixels <= WHOLE_MEGAPIXELS:
        return decode(encoded, name=name), encoded
    if kind != "JPEG" or megapixels > MOST_MEGAPIXELS:
        most = MOST_MEGAPIXELS if kind == "JPEG" else WHOLE_MEGAPIXELS
        raise UnreadablePicture(f"{name} has {megapixels:.0f} megapixels, the most for a {kind} is {most}")
    return _reduced(encoded, name, megapixels)


def _header(encoded: bytes, name: str) -> tuple[str, float]:
    """Format and megapixels as the file's first bytes say; nothing is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is judged here
            with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
                return str(image.format), image.width * image.height / 1e6
    except Image.DecompressionBombError:
        raise UnreadablePicture(f"{name} has far too many pixels; the most is {MOST_MEGAPIXELS} megapixels") from None
    except (OSError, ValueError, SyntaxError):
        raise UnreadablePicture(
            f"{name}: not a picture (first bytes {encoded[:8]!r}); expected a JPEG, PNG, WebP or BMP file"
        ) from None


def _reduced(encoded: bytes, name: str, megapixels: float) -> tuple[RgbImage, bytes]:
    flags = ((2, cv2.IMREAD_REDUCED_COLOR_2), (4, cv2.IMREAD_REDUCED_COLOR_4), (8, cv2.IMREAD_REDUCED_COLOR_8))
    flag = next(flag for share, flag in flags if megapixels / share**2 <= WHOLE_MEGAPIXELS)
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), flag)
    if bgr is None:
        raise UnreadablePicture(f"{name}: cut short or damaged; save it again as JPEG or PNG")
    jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), jpeg
