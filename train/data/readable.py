"""Which files can be decoded: found before hours are spent, not in the middle of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from edge.errors import UnreadablePicture
from train.data.copies import read_grey
from train.data.photos import Photos


def check_readable(photos: Photos, *, progress: str | None = None) -> dict[str, str]:
    """Name → reason for every photograph that is not a whole picture. Empty when all is well."""
    faults = {}
    for name in tqdm(photos.names, desc=progress, disable=progress is None, unit="photo"):
        reason = _fault(photos.root / name)
        if reason:
            faults[name] = reason
    return faults


def read_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels, from the file's header alone, as the file holds them (EXIF turns nothing)."""
    with Image.open(path) as picture:
        return picture.size


def _fault(path: Path) -> str | None:
    """What is wrong with the file, if anything. Pillow tells of a file cut short; training decodes with OpenCV."""
    try:
        read_grey(path)
    except UnreadablePicture as error:
        return str(error).removeprefix(f"{path}: ")
    if cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8) is None:
        return "a picture, but OpenCV cannot decode it; save it again as JPEG or PNG"
    return None
