"""Cross-validation: a fit for every fold; each photograph is tested once, by a network that never saw its object."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.bundle.figures import confusion_matrix, macro_f1, wilson_interval
from edge.errors import ConfigError
from train.config import TrainConfig
from train.data import Photos, load_inputs, scan
from train.distributed import refuse_several
from train.finetune import predict
from train.fit import Order, finished, fit
from train.model import folded, load_checkpoint, stages


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold's test part, answered by the network that was fitted without it."""

    number: int
    targets: NDArray[np.int64]  # (N,)
    predicted: NDArray[np.int64]  # (N,)

    @property
    def accuracy(self) -> float:
        """Share of the fold that is right."""
        return float((self.targets == self.predicted).mean())


def cross_validate(order: Order, only: Iterable[int] | None = None) -> list[Fold]:
    """Fit and test the folds of `order.config.data` in `order.out`/fold0 …; a finished fold is not fitted again.

    only: fit just these folds, so that several machines can share the work; the answers are of all finished ones.

    Raises:
        ConfigError: as `fit`.
    """
    refuse_several("kfold")
    folds = [
        replace(order, config=_of_fold(order.config, number), out=order.out / f"fold{number}")
        for number in range(order.config.data.folds)
    ]
    for number in range(len(folds)) if only is None else only:
        if not 0 <= number < len(folds):
            raise ConfigError(f"--only {number}: there are folds 0 to {len(folds) - 1}")
        wanted = folds[number]
        if not finished(wanted):
            print(f"fold {number + 1} of {len(folds)}", flush=True)
            fit(replace(wanted, resume=(wanted.out / "last.pt").exists()))
    return [_test(wanted) for wanted in folds if finished(wanted)]


def _of_fold(config: TrainConfig, number: int) -> TrainConfig:
    return config.model_copy(update={"data": config.data.model_copy(update={"split": "kfold", "fold": number})})


def _test(order: Order) -> Fold:
    """The fold's test part through its best.pt, in float32."""
    out, number = order.out, order.config.data.fold
    network, _ = load_checkpoint(out / "best.pt")
    names = tuple(json.loads((out / "split.json").read_text(encoding="utf-8"))["test"])
    photos = Photos(order.data, scan(order.data).labels, names)
    inputs = load_inputs(photos, order.config.preprocessing, progress=f"fold {number + 1}: decode test")
    torch.set_num_threads(order.config.threads)
    fast = nn.Sequential(*(folded(block) for block in stages(network).values()))
    logits = predict(fast, inputs, order.config.features.batch)
    return Fold(number, photos.targets, logits.argmax(axis=1).astype(np.int64))


def summary(folds: list[Fold], labels: tuple[str, ...]) -> dict[str, Any]:
    """kfold.json: every fold, the mean and sample standard deviation over folds, and all photographs pooled."""
    targets, predicted = (np.concatenate([getattr(fold, name) for fold in folds]) for name in ("targets", "predicted"))
    confusion = confusion_matrix(targets, predicted, len(labels))
    right, total = int(np.trace(confusion)), len(targets)
    rows = [(f.number, int((f.targets == f.predicted).sum()), len(f.targets), f.accuracy) for f in folds]
    accuracies = [fold.accuracy for fold in folds]
    return {
        "labels": list(labels),
        "folds": [dict(zip(("fold", "right", "total", "accuracy"), row, strict=True)) for row in rows],
        "mean": statistics.mean(accuracies),
        "sd": statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
        "right": right,
        "total": total,
        "interval_95": list(wilson_interval(right, total)),
        "macro_f1": macro_f1(confusion),
        "confusion": confusion.tolist(),
    }
