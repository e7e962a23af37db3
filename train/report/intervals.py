"""95 % intervals of what is said of a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.bundle.figures import per_class, wilson_interval


def class_intervals(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """(K, K) counts → (K, 3, 3): precision, recall and F1 of each class, each as value, low, high in 0..1.

    Precision and recall are proportions: Wilson's interval. F1 = 2J / (1 + J) of the proportion
    J = hits / (hits + false + missed), which Hand, Christen and Kirielle (2021) call F*: the map is monotone, so it
    carries J's Wilson interval over.
    """
    rows = []
    for k, figures in enumerate(per_class(confusion)):
        hits, support, claimed = (int(n) for n in (confusion[k, k], confusion[k].sum(), confusion[:, k].sum()))
        low, high = wilson_interval(hits, support + claimed - hits)
        rows.append(
            [
                [figures.precision, *wilson_interval(hits, claimed)],
                [figures.recall, *wilson_interval(hits, support)],
                [figures.f1, 2 * low / (1 + low), 2 * high / (1 + high)],
            ]
        )
    found = np.array(rows, np.float64)
    value = found[..., 0]
    # Wilson's bounds of 0 and 100 % are the value itself, but for rounding.
    found[..., 1], found[..., 2] = np.minimum(found[..., 1], value), np.maximum(found[..., 2], value)
    return found
