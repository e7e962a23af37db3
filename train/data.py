"""A folder of photographs, one sub-folder a class, and its reference split."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
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
SPLIT_SEED = 1337


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

    def without(self, dropped: Iterable[str]) -> Photos:
        """The same photographs less those named."""
        unwanted = set(dropped)
        return Photos(self.root, self.labels, tuple(name for name in self.names if name not in unwanted))


@dataclass(frozen=True)
class Split:
    """Train, validation and test: no photograph in two of them."""

    train: Photos
    validation: Photos
    test: Photos


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
            "a folder with trashnet/ in it (data/dataset-resized.zip of github.com/garythung/trashnet)"
        )
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; expected one sub-folder of photographs for each class")
    return data


def scan(root: Path) -> Photos:
    """Every photograph under `root/<class>/`, classes and files sorted as strings.

    Raises:
        ConfigError: fewer than two classes, or a class without photographs.
    """
    labels = tuple(sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")))
    if len(labels) < 2:
        raise ConfigError(f"{root}: found {len(labels)} class folders, expected at least two")
    names: list[str] = []
    for label in labels:
        files = sorted(p.name for p in (root / label).iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise ConfigError(f"{root / label}: no photographs ({', '.join(sorted(SUFFIXES))})")
        names += [f"{label}/{file}" for file in files]
    return Photos(root, labels, tuple(names))


def reference_split(photos: Photos) -> Split:
    """70/15/15 within each class, as split-folders makes it: files sorted, then shuffled with seed 1337.

    The generator is seeded anew for every class. On TrashNet that gives 1766 / 377 / 384 photographs. Seeding
    once for all classes gives the same counts but another split; `trashnet_groups.csv` tells them apart: 75
    of the test photographs show an object that also stands in train or validation (seeded once: 76; files in
    number order: 69).
    """
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for label in photos.labels:
        files = [name for name in photos.names if name.startswith(label + "/")]
        random.Random(SPLIT_SEED).shuffle(files)  # the same sequence as the module's own generator gives
        train_end = int(0.70 * len(files))
        validation_end = train_end + int(0.15 * len(files))
        for part, chosen in zip(
            parts, (files[:train_end], files[train_end:validation_end], files[validation_end:]), strict=True
        ):
            part += chosen
    return Split(*(Photos(photos.root, photos.labels, tuple(part)) for part in parts))


def write_split(split: Split, path: Path) -> None:
    """split.json: the names of the three parts ("glass/glass7.jpg"), for an exporter with no split of its own."""
    parts = {"train": split.train.names, "validation": split.validation.names, "test": split.test.names}
    path.write_text(json.dumps(parts, indent=0) + "\n", encoding="utf-8")


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


def read_groups(path: Path) -> dict[str, str]:
    """Object groups of two or more (columns file, class, group, group_size): "class/file.jpg" → group."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["group"] for row in csv.DictReader(file) if int(row["group_size"]) > 1}


def seen_objects(part: Photos, others: Iterable[Photos], groups: dict[str, str]) -> NDArray[np.bool_]:
    """(N,) bool: does the photograph show an object of which `others` hold a photograph too?"""
    seen = {groups[name] for photos in others for name in photos.names if name in groups}
    return np.array([groups.get(name) in seen for name in part.names], np.bool_)
