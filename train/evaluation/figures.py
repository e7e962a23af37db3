"""Predictions on photographs, and the figures that are counted from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle.figures import confusion_matrix, macro_f1, per_class, wilson_interval
from train.data import Photos, Split, read_groups, seen_objects


@dataclass(frozen=True)
class Share:
    """So many right of so many, with the interval in which the true share lies (Wilson, 95 %)."""

    right: int
    total: int

    @property
    def accuracy(self) -> float:
        """0 where there is nothing to count."""
        return self.right / self.total if self.total else 0.0

    @property
    def interval_95(self) -> tuple[float, float]:
        """Wilson's."""
        return wilson_interval(self.right, self.total)

    def as_dict(self) -> dict[str, Any]:
        """For evaluation.json."""
        return {
            "right": self.right,
            "total": self.total,
            "accuracy": self.accuracy,
            "interval_95": list(self.interval_95),
        }

    def __str__(self) -> str:
        low, high = self.interval_95
        return f"{self.right}/{self.total} = {self.accuracy:.2%} (95 % interval {low:.1%} to {high:.1%})"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions on one part of the split, and everything that is said about them."""

    labels: tuple[str, ...]
    split_name: str
    targets: NDArray[np.int64]
    """(N,)"""
    logits: NDArray[np.float32]
    """(N, K)"""
    seen: NDArray[np.bool_] | None
    """(N,) does the object stand in the parts the model was made with? None where the groups are not known"""

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,)"""
        return np.asarray(self.logits.argmax(axis=1) == self.targets)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K): row = true class, column = predicted class."""
        return confusion_matrix(self.targets, self.logits.argmax(axis=1), len(self.labels))

    @property
    def overall(self) -> Share:
        """All photographs."""
        return Share(int(self.right.sum()), len(self.targets))

    def only(self, kept: NDArray[np.bool_]) -> Evaluation:
        """The same for some of the photographs: (N,)."""
        seen = None if self.seen is None else self.seen[kept]
        return Evaluation(self.labels, self.split_name, self.targets[kept], self.logits[kept], seen)

    def by_object(self) -> dict[str, Share]:
        """Photographs of objects known from another photograph of the fit, and of objects new to it."""
        if self.seen is None:
            return {}
        parts = {"object known": self.seen, "object new": ~self.seen}
        return {name: Share(int(self.right[part].sum()), int(part.sum())) for name, part in parts.items()}

    def as_dict(self) -> dict[str, Any]:
        """For evaluation.json."""
        figures = per_class(self.confusion)
        return {
            "split": self.split_name,
            **self.overall.as_dict(),
            "macro_f1": macro_f1(self.confusion),
            "classes": {label: asdict(f) for label, f in zip(self.labels, figures, strict=True)},
            "confusion": self.confusion.tolist(),
            "by_object": {name: share.as_dict() for name, share in self.by_object().items()},
        }


def choose(split: Split, name: str, groups_file: Path) -> tuple[Photos, NDArray[np.bool_] | None]:
    """The photographs of "test" or "validation" and which of them show an object known from the other parts.

    For validation the other part is train; for test it is train and validation: both shaped the model.
    """
    photos, others = (
        (split.test, (split.train, split.validation)) if name == "test" else (split.validation, (split.train,))
    )
    if not groups_file.is_file():
        return photos, None
    return photos, seen_objects(photos, others, read_groups(groups_file))


def class_table(evaluation: Evaluation) -> str:
    """Precision, recall, F1 and support of every class, one a line."""
    width = max(map(len, evaluation.labels))
    lines = [f"{'':{width}}  precision  recall      F1  support"]
    for label, f in zip(evaluation.labels, per_class(evaluation.confusion), strict=True):
        lines.append(f"{label:{width}}  {f.precision:9.1%}  {f.recall:6.1%}  {f.f1:6.3f}  {f.support:7d}")
    return "\n".join(lines)
