"""The photographs an export needs.

Some of training to find the int8 ranges, validation to choose and calibrate, test to report.

Which photograph belongs where is training's decision. It lies beside the checkpoint as split.json:
`{"train": ["glass/glass7.jpg", ...], "validation": [...], "test": [...]}`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from tqdm import tqdm

from edge.bundle.preprocess import Preprocessing, read_picture, to_input
from edge.errors import ConfigError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
Names = tuple[str, ...]


class Split(BaseModel):
    """split.json: photographs as "class/file", none in two parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: Names = Field(min_length=1)
    validation: Names = Field(min_length=1)
    test: Names = Field(min_length=1)

    @model_validator(mode="after")
    def _disjoint(self) -> Split:
        names = [*self.train, *self.validation, *self.test]
        if twice := len(names) - len(set(names)):
            raise ValueError(f"{twice} photographs stand in it twice; figures measured on it would not be honest")
        return self


def read_split(path: Path) -> Split:
    """Read split.json.

    Raises:
        ConfigError: missing, not such a file, or a photograph stands in it twice.
    """
    try:
        return Split.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; python -m train fit leaves it beside its checkpoints") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "split"
        raise ConfigError(f"{path}: {where}: {first['msg']}; python -m train fit writes it") from None


def find_data(data: Path | None) -> Path:
    """The photographs' folder: as given, else $SMARTBIN_DATA/trashnet.

    Raises:
        ConfigError: neither is there.
    """
    if data is None and "SMARTBIN_DATA" in os.environ:
        data = Path(os.environ["SMARTBIN_DATA"]) / "trashnet"
    if data is None:
        raise ConfigError("no photographs: give --data DIR, a folder with one sub-folder a class, or set SMARTBIN_DATA")
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; expected one sub-folder of photographs for each class")
    return data


def check_data(root: Path, labels: Sequence[str], expected_sha256: str) -> None:
    r"""Refuse photographs other than those the checkpoint was trained on: calibration and figures would mean nothing.

    The hash is over the sorted lines "<class/file> <sha256 of the file>\n" of every photograph, as training takes it.

    Raises:
        ConfigError: a file is missing, added or changed.
    """
    digest = hashlib.sha256()
    names = [
        f"{label}/{file.name}"
        for label in labels
        for file in (root / label).glob("*")
        if file.suffix.lower() in SUFFIXES
    ]
    for name in sorted(names):
        digest.update(f"{name} {hashlib.sha256((root / name).read_bytes()).hexdigest()}\n".encode())
    if (found := digest.hexdigest()) != expected_sha256:
        raise ConfigError(
            f"{root}: {len(names)} photographs with sha256 {found[:12]}…, the checkpoint was trained on "
            f"{expected_sha256[:12]}…; give the folder it was trained on with --data"
        )


def targets_of(names: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """(N,) int64, index of each photograph's class in `labels`.

    Raises:
        ConfigError: a photograph of a class that is no label.
    """
    index = {label: k for k, label in enumerate(labels)}
    if strangers := sorted({name.split("/")[0] for name in names} - set(index)):
        raise ConfigError(f"split.json names the classes {strangers}, the checkpoint knows {list(labels)}")
    return np.array([index[name.split("/")[0]] for name in names], np.int64)


def load_inputs(root: Path, names: Sequence[str], spec: Preprocessing, *, what: str) -> NDArray[np.uint8]:
    """Photographs as the bin would feed them: (N, size_px, size_px, 3) uint8 RGB."""
    inputs = np.empty((len(names), spec.size_px, spec.size_px, 3), np.uint8)
    for i, name in enumerate(tqdm(names, desc=f"read {what}", unit="photo", leave=False)):
        inputs[i] = to_input(read_picture(root / name), spec)
    return inputs


def choose_for_calibration(names: Sequence[str], count: int) -> Names:
    """`count` photographs, as evenly from all classes as there are enough of each; always the same ones.

    Within a class they go by the hash of their name: whatever the list's order, and no run of one object's pictures.
    """
    by_class: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        by_class.setdefault(name.split("/")[0], []).append(name)
    turns = zip_longest(*(by_class[label] for label in sorted(by_class)))
    return tuple(name for name in chain.from_iterable(turns) if name is not None)[:count]
