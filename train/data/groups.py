"""Photographs of one and the same object: known from a CSV beside the data."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from train.data.photos import Photos

COLUMNS = ("file", "class", "group", "group_size")


def groups_file(root: Path) -> Path:
    """Where a data set's groups stand: `<data>_groups.csv` beside its folder."""
    root = root.absolute()
    return root.with_name(root.name + "_groups.csv")


def read_groups(path: Path) -> dict[str, str]:
    """Object groups of two or more (columns file, class, group, group_size): "class/file.jpg" → group.

    Raises:
        ConfigError: the file does not hold these columns, or a size is no number.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise ConfigError(f"{path}: found columns {rows.fieldnames}, expected {', '.join(COLUMNS)}")
        try:
            return {row["file"]: row["group"] for row in rows if int(row["group_size"]) > 1}
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{path}:{rows.line_num}: group_size: {error}; expected a whole number") from None


def seen_objects(part: Photos, others: Iterable[Photos], groups: Mapping[str, str]) -> NDArray[np.bool_]:
    """(N,) bool: does the photograph show an object of which `others` hold a photograph too?"""
    seen = {groups[name] for photos in others for name in photos.names if name in groups}
    return np.array([groups.get(name) in seen for name in part.names], np.bool_)
