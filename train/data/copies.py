"""The same picture twice: copies byte for byte, and copies that were re-encoded, resized or turned round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from edge.bundle.preprocess import read_picture
from edge.errors import UnreadablePicture
from train.data.photos import Photos

# Measured on TrashNet. Copies made by JPEG quality 25, by halving, by squashing to 224 x 224 and by squashing to
# portrait and back: thumbnails differ by at most 1.5 (RMS); closely, by at most 1.9 on average, 15 at worst.
# Different photographs: thumbnails by 4.3 and more, closely by (2.1, 49) and (5.6, 18) at the nearest.
THUMB_PX = 32
DECODED_PX = 128  # four pixels for one of the thumbnail: fewer, and sizes of one picture disagree
THUMB_RMS = 2.0
CLOSE_PX = 192
CLOSE_BLUR_PX = 7  # averages away what JPEG adds to single pixels
CLOSE_MEAN = 2.0
CLOSE_MAX = 16
BLOCK = 2048  # rows compared at a time: 16 MB of distances per 2,048 photographs


@dataclass(frozen=True)
class Copies:
    """Two photographs of the same content. exact: equal byte for byte."""

    first: str
    second: str
    exact: bool

    @property
    def conflicting(self) -> bool:
        """Do they stand under two labels?"""
        return self.first.split("/")[0] != self.second.split("/")[0]


def thumbnails(photos: Photos, *, progress: str | None = None) -> NDArray[np.uint8]:
    """(N, THUMB_PX, THUMB_PX) uint8 grey, the whole photograph squashed.

    Raises:
        UnreadablePicture: a photograph cannot be decoded.
    """
    small = np.empty((len(photos), THUMB_PX, THUMB_PX), np.uint8)
    for i, name in enumerate(tqdm(photos.names, desc=progress, disable=progress is None, unit="photo")):
        grey = read_grey(photos.root / name)
        small[i] = cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return small


def read_grey(path: Path) -> NDArray[np.uint8]:
    """(H, W) uint8 grey, upright. A large JPEG is decoded at a part of its size, for a part of the time.

    Raises:
        UnreadablePicture: the file is missing, is not a picture, or was cut short.
    """
    try:
        with Image.open(path) as picture:
            picture.draft("L", (DECODED_PX, DECODED_PX))  # never smaller than this
            return np.asarray(ImageOps.exif_transpose(picture).convert("L"), np.uint8)
    except UnidentifiedImageError:
        raise UnreadablePicture(f"{path}: not a picture; expected a JPEG, PNG, WebP or BMP file") from None
    except OSError as error:
        raise UnreadablePicture(f"{path}: {error.strerror or error}") from None
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's, of broken headers
        raise UnreadablePicture(f"{path}: {error}") from None


def find_copies(photos: Photos, small: NDArray[np.uint8], *, progress: str | None = None) -> list[Copies]:
    """Pairs of the same picture, also where one is re-encoded, resized or turned by 180 degrees.

    Args:
        small: (N, THUMB_PX, THUMB_PX) uint8, `thumbnails(photos)`.
    """
    found = []
    for i, j in _alike(small, progress):
        first, second = photos.root / photos.names[i], photos.root / photos.names[j]
        exact = first.stat().st_size == second.stat().st_size and first.read_bytes() == second.read_bytes()
        if exact or same_picture(first, second):
            found.append(Copies(photos.names[i], photos.names[j], exact))
    return found


def copies_between(ones: Photos, others: Photos) -> list[Copies]:
    """Pairs of the same picture, one from each of two folders; `find_copies` tells what counts as the same.

    Raises:
        UnreadablePicture: a photograph cannot be decoded.
    """
    small = np.concatenate([thumbnails(ones), thumbnails(others)])
    paths = [photos.root / name for photos in (ones, others) for name in photos.names]
    names = (*ones.names, *others.names)
    return [
        Copies(names[i], names[j], paths[i].read_bytes() == paths[j].read_bytes())
        for i, j in _alike(small, None)
        if i < len(ones) <= j and same_picture(paths[i], paths[j])
    ]


def conflicting(photos: Photos) -> dict[str, tuple[str, ...]]:
    """Photographs whose picture stands under another label too: each with the others, sorted by name.

    Raises:
        UnreadablePicture: a photograph cannot be decoded (`check_readable` names them all).
    """
    return conflicts(find_copies(photos, thumbnails(photos)))


def conflicts(copies: list[Copies]) -> dict[str, tuple[str, ...]]:
    """Of these copies, those under two labels: each name with the others, sorted."""
    others: dict[str, set[str]] = defaultdict(set)
    for pair in copies:
        if pair.conflicting:
            others[pair.first].add(pair.second)
            others[pair.second].add(pair.first)
    return {name: tuple(sorted(others[name])) for name in sorted(others)}


def same_picture(first: Path, second: Path) -> bool:
    """Compare closely, as they are and turned by 180 degrees."""
    one, other = (_close_view(path) for path in (first, second))
    differences = (np.abs(one - turned) for turned in (other, other[::-1, ::-1]))
    return any(float(d.mean()) <= CLOSE_MEAN and float(d.max()) <= CLOSE_MAX for d in differences)


@lru_cache(maxsize=256)  # of 220 kB each: a photograph with many twins is decoded once
def _close_view(path: Path) -> NDArray[np.int16]:
    """(CLOSE_PX, CLOSE_PX, 3) int16 RGB, blurred."""
    square = cv2.resize(read_picture(path), (CLOSE_PX, CLOSE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(square, (CLOSE_BLUR_PX, CLOSE_BLUR_PX)), np.int16)


def _alike(small: NDArray[np.uint8], progress: str | None) -> Iterator[tuple[int, int]]:
    """Pairs i < j whose thumbnails nearly agree, one of them turned or not; block by block, so memory stays small."""
    flat, turned = (view.reshape(len(small), -1) for view in (small, small[:, ::-1, ::-1]))
    limit = THUMB_RMS**2 * flat.shape[1]
    for start in tqdm(range(0, len(flat), BLOCK), desc=progress, disable=progress is None, unit="block"):
        rows = flat[start : start + BLOCK].astype(np.float32)
        for block in range(start, len(flat), BLOCK):
            columns, round_about = (view[block : block + BLOCK].astype(np.float32) for view in (flat, turned))
            lengths = (rows**2).sum(axis=1)[:, None] + (columns**2).sum(axis=1)  # turning changes no length
            product = np.maximum(rows @ columns.T, rows @ round_about.T)
            for i, j in zip(*np.nonzero(lengths - 2 * product <= limit), strict=True):
                if start + i < block + j:
                    yield int(start + i), int(block + j)
