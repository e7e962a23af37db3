"""A folder of photographs, one sub-folder a class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle.preprocess import Preprocessing, read_picture, to_input
from edge.domain import RgbImage
from edge.errors import ConfigError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class Photos:
    """Photographs in a fixed order: `names[i]` ("glass/glass7.jpg") shows `labels[targets[i]]`."""

    root: Path
    labels: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def targets(self) -> NDArray[np.int64]:
        """(N,) int64, index into `labels`."""
        index = {label: k for k, label in enumerate(self.labels)}
        return np.array([index[name.split("/")[0]] for name in self.names], np.int64)

    def only(self, wanted: Iterable[str]) -> Photos:
        """Those of the photographs that are named, in their own order."""
        kept = set(wanted)
        return Photos(self.root, self.labels, tuple(name for name in self.names if name in kept))

    def without(self, dropped: Iterable[str]) -> Photos:
        """The same photographs less those named."""
        unwanted = set(dropped)
        return Photos(self.root, self.labels, tuple(name for name in self.names if name not in unwanted))


def find_data(data: Path | None) -> Path:
    """The data set's folder: as given, else $SMARTBIN_DATA/trashnet.

    Raises:
        ConfigError: neither is there.
    """
    if data is None and "SMARTBIN_DATA" in os.environ:
        data = Path(os.environ["SMARTBIN_DATA"]) / "trashnet"
    if data is None:
        raise ConfigError(
            "no photographs: give --data DIR, a folder with one sub-folder a class, or set SMARTBIN_DATA to "
            "a folder with trashnet/ in it (`python -m train data` downloads it from github.com/garythung/trashnet)"
        )
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; expected one sub-folder of photographs for each class")
    return data


def scan(root: Path, *, least_classes: int = 2) -> Photos:
    """Every photograph under `root/<class>/`, classes and files sorted as strings. No file is opened.

    Raises:
        ConfigError: fewer classes than `least_classes`, a class without photographs, or a name that is not UTF-8.
    """
    labels = class_folders(root)
    if len(labels) < least_classes:
        found = "".join(f" ({label})" for label in labels)
        least = "one" if least_classes == 1 else "two"
        raise ConfigError(f"{root}: found {len(labels)} class folders{found}, expected at least {least}")
    names: list[str] = []
    for label in labels:
        with os.scandir(root / label) as entries:
            files = sorted(entry.name for entry in entries if is_photograph(entry))
        if not files:
            raise ConfigError(f"{root / label}: no photographs ({', '.join(sorted(SUFFIXES))}){_nested(root / label)}")
        names += [f"{label}/{file}" for file in files]
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{root}: a file's name is not UTF-8 ({error.object[error.start - 20 : error.end]!r}…)"
        ) from None
    return Photos(root, labels, tuple(names))


def class_folders(root: Path) -> tuple[str, ...]:
    """Names of the sub-folders, sorted; hidden ones are no classes.

    Raises:
        ConfigError: `root` is no folder.
    """
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder; expected one sub-folder of photographs for each class")
    return tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")))


def is_photograph(entry: os.DirEntry[str]) -> bool:
    """A picture by its name, and no folder. A link that leads nowhere is one: it must be heard of, not lost."""
    return is_picture_name(entry.name) and not entry.is_dir()


def is_picture_name(name: str) -> bool:
    """Does a file's name end as a picture's does, in either case? Hidden files are none ("._glass1.jpg" of macOS)."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 (no Path: speed)


def _nested(folder: Path) -> str:
    """What to do about a class folder that holds folders instead of photographs."""
    inner = class_folders(folder)
    return f"; it holds {len(inner)} folders ({inner[0]}, …): move their photographs up" if inner else ""


def data_sha256(photos: Photos) -> str:
    """sha256 over the sorted lines "<class/file> <sha256 of the file>\\n": changes with any name or byte."""
    digest = hashlib.sha256()
    for name in sorted(photos.names):
        file_sha256 = hashlib.sha256((photos.root / name).read_bytes()).hexdigest()
        digest.update(f"{name} {file_sha256}\n".encode())
    return digest.hexdigest()


def load_inputs(photos: Photos, spec: Preprocessing, *, progress: str | None = None) -> NDArray[np.uint8]:
    """Photographs as the bin would feed them: (N, size_px, size_px, 3) uint8 RGB."""
    inputs = np.empty((len(photos), spec.size_px, spec.size_px, 3), np.uint8)
    for i, name in enumerate(tqdm(photos.names, desc=progress, disable=progress is None, unit="photo")):
        inputs[i] = to_input(read_picture(photos.root / name), spec)
    return inputs


def load_into_memory(photos: Photos, height_px: int, *, progress: str | None = None) -> list[RgbImage]:
    """Photographs for augmentation: each (height_px, W, 3) uint8 RGB, aspect kept, never enlarged."""
    pictures = []
    for name in tqdm(photos.names, desc=progress, disable=progress is None, unit="photo"):
        rgb = read_picture(photos.root / name)
        height, width = rgb.shape[:2]
        if height > height_px:
            side = (max(1, round(width * height_px / height)), height_px)
            rgb = np.asarray(cv2.resize(rgb, side, interpolation=cv2.INTER_AREA), np.uint8)
        pictures.append(rgb)
    return pictures
