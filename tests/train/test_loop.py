from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.train.conftest import stage  # noqa: E402
from train import loop  # noqa: E402
from train.config import TrainConfig  # noqa: E402
from train.distributed import World  # noqa: E402
from train.finetune import Finetuner, Progress  # noqa: E402
from train.model import build  # noqa: E402

TARGETS = np.array([0, 1, 0, 1])


def run(
    settings: dict[str, Any], out: Path, monkeypatch: pytest.MonkeyPatch, right: list[int], **changes: Any
) -> tuple[Progress, list[int]]:
    """A fit whose validations find so many of four right, one after the other; the epochs that were kept."""
    settings["finetune"].update(changes)
    config = TrainConfig.model_validate(settings).finetune
    world = World(0, 1, torch.device("cpu"))
    tuner = Finetuner(build("resnet18", "relu", 2), config, seed=0, photos=1, world=world, precision=torch.float32)
    data: Any = SimpleNamespace(maker=None, validation_inputs=None, composed_inputs=None, validation_targets=TARGETS)
    answers, kept = iter(right), []
    figures = {"stage": 1, "loss": 1.0, "accuracy": 1.0, "seconds": 1.0}
    monkeypatch.setattr(tuner, "train_epoch", lambda *_, **__: figures)
    monkeypatch.setattr(tuner, "logits", lambda *_: logits_with_right(next(answers)))
    monkeypatch.setattr(loop, "save_atomically", lambda content, path: None)
    loop.run(tuner, data, out=out, batch=1, workers=0, fingerprint={}, keep_best=lambda _, p: kept.append(p.epoch))
    return tuner.progress, kept


@pytest.mark.parametrize("patience", [2, 3])
def test_a_fit_stops_when_validation_stops_improving(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    plan = {"stages": [stage("fc", epochs=50)], "patience": patience}
    progress, kept = run(settings, tmp_path, monkeypatch, [2, 3, 3, 3, 3, 4], **plan)
    assert progress.epoch == 2 + patience  # the second is the best, then so many in vain
    assert kept == [1, 2]


@pytest.mark.parametrize(("every", "validated"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])])
def test_validation_comes_every_so_many_epochs_and_after_the_last(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, validated: list[int]
) -> None:
    plan = {"stages": [stage("fc", epochs=5)], "patience": 9, "validate_every": every}
    progress, kept = run(settings, tmp_path, monkeypatch, [3] * 5, **plan)
    assert [row["epoch"] for row in progress.history] == [1, 2, 3, 4, 5]
    assert [row["epoch"] for row in progress.history if "validation_right" in row] == validated
    assert kept == validated[:1]


def logits_with_right(right: int) -> np.ndarray:
    """(4, 2) logits by which the first `right` photographs are classed rightly, the others wrongly."""
    predicted = np.where(np.arange(len(TARGETS)) < right, TARGETS, 1 - TARGETS)
    return np.eye(2, dtype=np.float32)[predicted]
