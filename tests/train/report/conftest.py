"""Runs as a fit leaves them, of a ResNet18 that learnt nothing, or all there is to learn of 42 photographs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import Preprocessing

torch = pytest.importorskip("torch")

from train.checkpoint import FORMAT, plain_state  # noqa: E402
from train.data import data_sha256, load_inputs, scan  # noqa: E402
from train.model import IMAGENET_MEAN, IMAGENET_STD, build  # noqa: E402
from train.report.outputs import network_outputs  # noqa: E402

SPEC = Preprocessing(size_px=64, resize="squash", interpolation="area", colour="rgb")


def epoch(number: int, **more: Any) -> dict[str, Any]:
    """A row of history.json."""
    return {
        "epoch": number, "loss": 1 / number, "accuracy": 0.5, "seconds": 1.0, "validation_right": 3 + number,
        "validation_total": 9, "validation_accuracy": (3 + number) / 9, "validation_macro_f1": 0.5,
        "validation_nll": 1 / number, **more,
    }  # fmt: skip


@pytest.fixture
def photos(photo_folder: Path, tmp_path: Path) -> Path:
    """The tints, to be renamed or accompanied by the test: 3 classes of 14."""
    return Path(shutil.copytree(photo_folder, tmp_path / "tints"))


def make_run(run: Path, data: Path, *, perfect: bool = False) -> Path:
    """Write a run's folder. In each class 8 photographs are for training, 3 for validation and 3 for test.

    A perfect network names every photograph rightly; the other one learnt nothing.
    """
    everything = scan(data)
    torch.manual_seed(0)
    network = build("resnet18", "relu", len(everything.labels))
    if perfect:
        _learn(network, everything)
    run.mkdir(parents=True)
    torch.save(_checkpoint(network, everything), run / "best.pt")
    (run / "history.json").write_text(json.dumps([epoch(1), epoch(2)]))
    split: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for label in everything.labels:
        names = [name for name in everything.names if name.startswith(label + "/")]
        for part, chosen in zip(split, (names[:8], names[8:11], names[11:]), strict=True):
            split[part] += chosen
    (run / "split.json").write_text(json.dumps(split))
    return run


def _learn(network: Any, photos: Any) -> None:
    """Least squares with fewer photographs than features: the head fits them all."""
    features = network_outputs(network, load_inputs(photos, SPEC), progress="test").features.astype(np.float64)
    wanted = 10 * np.eye(len(photos.labels))[photos.targets]
    solution = np.linalg.lstsq(np.column_stack([features, np.ones(len(features))]), wanted, rcond=None)[0]
    with torch.no_grad():
        network.fc.weight.copy_(torch.from_numpy(solution[:-1].T))
        network.fc.bias.copy_(torch.from_numpy(solution[-1]))


def _checkpoint(network: Any, photos: Any) -> dict[str, Any]:
    return {
        "format": FORMAT, "arch": "resnet18", "stem": "relu", "labels": list(photos.labels),
        "state_dict": plain_state(network), "preprocessing": SPEC.model_dump(mode="json"),
        "normalisation": {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)},
        "config": {"seed": 1, "model": {"arch": "resnet18"}},
        "provenance": {
            "data_sha256": data_sha256(photos), "split": "reference", "seed": 1, "weights_sha256": "f" * 64,
            "git_commit": "c" * 40, "phase": 2, "epoch": 2, "validation": {},
        },
    }  # fmt: skip
