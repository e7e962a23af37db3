"""The folder of a finished fit, or of a mean of fits, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from edge.bundle import Preprocessing, sha256_of
from edge.errors import ConfigError
from train.data import Photos, Split
from train.model import load_checkpoint

_MAKES_IT = "python -m train fit --out {folder} makes it, at its end"


@dataclass(frozen=True, eq=False)
class Run:
    """A fit: its network, what the checkpoint records, each epoch's figures, and which photographs were for what.

    A mean of fits (train/soup.py) is one too; it has a history for each of them.
    """

    folder: Path
    sha256: str
    """of best.pt"""
    network: nn.Module
    content: dict[str, Any]
    """best.pt without its weights (format: train/checkpoint.py)"""
    histories: dict[str, list[dict[str, Any]]]
    """fit → its epochs; of a mean, those whose epochs are known"""
    split: Split

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the network's outputs."""
        return tuple(self.content["labels"])

    @property
    def shares(self) -> dict[str, float]:
        """Of a mean of fits: fit → its share; else empty."""
        return dict(self.content["provenance"].get("soup", {}))

    @property
    def preprocessing(self) -> Preprocessing:
        """How photographs became the network's input."""
        return Preprocessing.model_validate(self.content["preprocessing"])

    @property
    def cache(self) -> Path:
        """Where its network's answers are kept. Not in the report's folder: that is for showing around."""
        return self.folder / "outputs"


def read_run(folder: Path, data: Path) -> Run:
    """Read best.pt, history.json (soup.json of a mean) and split.json of a fit; `data` holds its photographs.

    Raises:
        ConfigError: a file is missing or is not what a fit writes, or the photographs are not in `data`.
    """
    written = "soup.json" if (folder / "soup.json").is_file() else "history.json"
    for name in ("best.pt", written, "split.json"):
        if not (folder / name).is_file():
            raise ConfigError(f"{folder / name}: no such file; {_MAKES_IT.format(folder=folder)}")
    network, content = load_checkpoint(folder / "best.pt")
    del content["state_dict"]
    if written == "soup.json":
        histories = _read_json(folder / written, dict).get("histories", {})
    else:
        histories = {folder.absolute().name: _read_json(folder / written, list)}
    for fit, history in histories.items():
        if not history:
            raise ConfigError(f"{folder / written}: no epoch of {fit} in it; the fit has not finished its first")
    split = _read_split(folder / "split.json", data, tuple(content["labels"]))
    return Run(folder, sha256_of(folder / "best.pt"), network, content, histories, split)


def _read_split(path: Path, data: Path, labels: tuple[str, ...]) -> Split:
    document = _read_json(path, dict)
    if missing := {"train", "validation", "test"} - document.keys():
        raise ConfigError(f"{path}: no {', '.join(sorted(missing))} in it; {_MAKES_IT.format(folder=path.parent)}")
    parts = {name: tuple(map(str, document[name])) for name in ("train", "validation", "test")}
    for part, names in parts.items():
        if not names:
            raise ConfigError(f"{path}: no photograph in {part}; the fit needs other data or another split")
        for name in names:
            if name.split("/")[0] not in labels:
                raise ConfigError(f"{path}: {name} is of no class that best.pt knows ({', '.join(labels)})")
            if not (data / name).is_file():
                raise ConfigError(f"{data / name}: no such photograph, {path} names it; give the fit's own --data")
    return Split(**{name: Photos(data, labels, names) for name, names in parts.items()})


def _read_json(path: Path, kind: type) -> Any:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error}); {_MAKES_IT.format(folder=path.parent)}") from None
    if not isinstance(document, kind):
        raise ConfigError(f"{path}: holds a {type(document).__name__}, expected a {kind.__name__}")
    return document
