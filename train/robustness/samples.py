"""Contact sheets of the shifts, for the user's own eyes: they show the data set's photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.bundle import read_picture
from edge.errors import ConfigError
from train.data import Photos
from train.robustness.measure import CLEAN
from train.robustness.shifts import SHIFTS, apply, clean, subject


def draw_samples(photos: Photos, folder: Path, *, a_class: int = 2) -> None:
    """One contact sheet a shift, for the user's own eyes: some photographs of every class, the crop outlined.

    Raises:
        ConfigError: a sheet cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _some_of_each_class(photos, a_class)
    shown = [subject(read_picture(photos.root / name), name) for name in chosen.names]
    for shift in (CLEAN, *SHIFTS):
        tiles = []
        for one in shown:
            shifted = clean(one) if shift == CLEAN else apply(shift, one)
            tile = shifted.rgb.copy()
            box = shifted.crop_box
            cv2.rectangle(tile, (box.x0, box.y0), (box.x1 - 1, box.y1 - 1), (255, 0, 255), 2)
            tiles.append(cv2.resize(tile, (320, 240), interpolation=cv2.INTER_AREA))
        tiles += [np.full((240, 320, 3), 255, np.uint8)] * (-len(tiles) % 4)
        sheet = np.vstack([np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)])
        if not cv2.imwrite(str(folder / f"{shift}.jpg"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
            raise ConfigError(f"{folder}: a contact sheet cannot be written; give another folder")


def _some_of_each_class(photos: Photos, count: int) -> Photos:
    """The first `count` photographs of every class."""
    first = [[name for name in photos.names if name.split("/")[0] == label][:count] for label in photos.labels]
    return photos.only(name for names in first for name in names)
