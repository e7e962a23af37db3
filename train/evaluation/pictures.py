"""Pictures of what probabilities are worth: reliability, and how much may be sorted at what contamination."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from numpy.typing import NDArray

from edge.bundle.calibration import expected_calibration_error, reliability, risk_coverage
from edge.bundle.figures import wilson_interval

BEFORE, AFTER, MARK = "#8a8f98", "#0b6e4f", "#b7791f"


def draw_reliability(
    axes: Axes, p_before: NDArray[np.float64], p_after: NDArray[np.float64], targets: NDArray[np.int64]
) -> None:
    """Accuracy over confidence in 15 bins, before and after temperature scaling.

    The area of a point shows its photographs, the line through it the interval of the accuracy (Wilson, 95 %).

    Args:
        p_before: (N, K) probabilities at temperature 1.
        p_after: (N, K) probabilities at the fitted temperature.
        targets: (N,) true classes.
    """
    axes.plot([0, 100], [0, 100], color="#222222", alpha=0.4, lw=1, ls=":")
    for p, colour, name in ((p_before, BEFORE, "before"), (p_after, AFTER, "after")):
        diagram = reliability(p, targets)
        filled = diagram.count > 0
        x, y = 100 * diagram.confidence[filled], 100 * diagram.accuracy[filled]
        error = expected_calibration_error(p, targets)
        counts = diagram.count[filled]
        low, high = 100 * np.array([wilson_interval(round(n * a / 100), n) for a, n in zip(y, counts, strict=True)]).T
        axes.vlines(x, low, high, color=colour, alpha=0.45, lw=1.2)
        axes.scatter(x, y, s=12 + 300 * counts / len(targets), color=colour, alpha=0.85, lw=0,
                     label=f"{name}: ECE {100 * error:.1f} %")  # fmt: skip
    axes.set(xlim=(0, 104), ylim=(0, 104), xlabel="confidence, %", ylabel="right, %")
    axes.set_title(f"reliability, {len(targets)} photographs", fontsize=10, loc="left")
    _plain(axes)
    for handle in axes.legend(frameon=False, loc="upper left").legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes(np.array([40.0]))


def draw_risk_coverage(
    axes: Axes, confidence: NDArray[np.float64], right: NDArray[np.bool_], promises: Mapping[float, float]
) -> None:
    """Contamination over the share sorted automatically, and where the promises' thresholds stand on it.

    Args:
        confidence: (N,) of the best label, 0..1.
        right: (N,) is the best label the true one?
        promises: promised contamination → least probability that is sorted, both 0..1.
    """
    coverage, contamination = risk_coverage(confidence, right)
    axes.plot(100 * coverage, 100 * contamination, color=AFTER, lw=1.5)
    for (promised, least), shape in zip(promises.items(), cycle("os^Dv")):
        taken = int((confidence >= least).sum())
        x, y = (100 * coverage[taken - 1], 100 * contamination[taken - 1]) if taken else (0.0, 0.0)
        label = f"at most {100 * promised:g} % promised: {x:.0f} % sorted, {y:.1f} % of it wrong"
        axes.plot(x, y, shape, ms=7, color=MARK, label=label)
    axes.set(xlim=(0, 104), ylim=(0, None), xlabel="sorted automatically, %", ylabel="wrong among the sorted, %")
    axes.set_title(f"risk and coverage, {len(right)} photographs", fontsize=10, loc="left")
    _plain(axes)
    if promises:
        axes.legend(frameon=False, loc="upper left", fontsize=9)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
