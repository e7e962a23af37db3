"""What is said of predictions, in manifests and reports alike: numpy in, plain numbers out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def wilson_interval(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion (95 % for the default z): sane at 0 % and 100 % too."""
    if total == 0:
        return 0.0, 1.0
    p = right / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def confusion_matrix(targets: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(K, K) int64: row = true class, column = predicted class."""
    counts = np.bincount(targets * classes + predicted, minlength=classes * classes)
    return np.asarray(counts.reshape(classes, classes), np.int64)


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares; a ratio without a denominator counts as 0."""

    precision: float
    recall: float
    f1: float
    support: int


def per_class(confusion: NDArray[np.int64]) -> list[ClassFigures]:
    """Figures of each class of a (K, K) confusion matrix."""
    figures = []
    for k in range(len(confusion)):
        hit, support, claimed = (int(v) for v in (confusion[k, k], confusion[k].sum(), confusion[:, k].sum()))
        figures.append(
            ClassFigures(
                precision=hit / claimed if claimed else 0.0,
                recall=hit / support if support else 0.0,
                f1=2 * hit / (support + claimed) if support + claimed else 0.0,
                support=support,
            )
        )
    return figures


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """The plain mean of the classes' F1: `trash` counts as much as `paper`."""
    return float(np.mean([figures.f1 for figures in per_class(confusion)]))
