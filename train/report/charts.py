"""Pictures: the confusion matrix and the classes of an evaluation, the curves of a fit. Drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from edge.bundle.figures import macro_f1
from train.evaluation.figures import Evaluation
from train.report.intervals import class_intervals

TRAIN, VALIDATION, COMPOSED = "#8a8f98", "#0b6e4f", "#b7791f"
_FIGURES = (("precision", "#7a93a8"), ("recall", "#0b6e4f"), ("F1", "#3d4653"))

Row = Mapping[str, Any]
"""One epoch of history.json."""


def draw_confusion(evaluation: Evaluation, path: Path, *, subject: str) -> None:
    """Counts, and below them the share of the true class; the title says what was measured on how many."""
    counts = evaluation.confusion  # (K, K)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = Figure(figsize=(7.6, 7.2), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            axes.text(
                column,
                row,
                f"{counts[row, column]}\n{shares[row, column]:.1%}",
                ha="center",
                va="center",
                fontsize=10,
                color="white" if shares[row, column] > 0.55 else "#222222",
            )
    ticks = range(len(evaluation.labels))
    # parse_math: a class may be called a$b$.
    axes.set_xticks(ticks, evaluation.labels, rotation=30, ha="right", parse_math=False)
    names = [f"{label} ({n})" for label, n in zip(evaluation.labels, counts.sum(axis=1), strict=True)]
    axes.set_yticks(ticks, names, parse_math=False)
    axes.set_xticks(np.arange(-0.5, len(counts)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(counts)), minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true (photographs)")
    overall = evaluation.overall
    axes.set_title(
        f"{subject}, {evaluation.split_name}: {overall.right} of {overall.total} right = "
        f"{overall.accuracy:.2%}, macro-F1 {macro_f1(counts):.3f}",
        fontsize=11,
        loc="right",
        parse_math=False,
    )
    save(figure, path)


def draw_per_class(evaluation: Evaluation, path: Path, *, subject: str) -> None:
    """Precision, recall and F1 of every class as bars, each with its 95 % interval."""
    figures = 100 * class_intervals(evaluation.confusion)  # (K, 3, 3)
    figure = Figure(figsize=(7.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for i, (name, colour) in enumerate(_FIGURES):
        value, low, high = figures[:, i].T  # (K,) each
        places = np.arange(len(figures)) + 0.27 * (i - 1)
        axes.bar(places, value, 0.25, color=colour, label=name)
        axes.errorbar(places, value, (value - low, high - value), fmt="none", ecolor="#222222", lw=1, capsize=2.5)
    supports = evaluation.confusion.sum(axis=1)
    names = [f"{label}\n({n})" for label, n in zip(evaluation.labels, supports, strict=True)]
    axes.set_xticks(range(len(names)), names, parse_math=False)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(max(0.0, float(np.floor(figures[..., 1].min() / 10)) * 10), 100)
    axes.set_ylabel("%, with 95 % interval")
    axes.set_title(f"{subject}, {evaluation.split_name}", fontsize=11, loc="left", parse_math=False)
    _plain(axes)
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    save(figure, path)


def draw_curves(history: Sequence[Row], path: Path, *, subject: str) -> None:
    """Loss and accuracy per epoch, training crops beside validation; the kept epoch and the stages are marked.

    Rows may hold validation on other backgrounds ("validation_composed_…") and the fit's "stage"; both are optional.
    """
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    _curve(loss, history, "loss", TRAIN, "training crops (label-smoothed)")
    _curve(loss, history, "validation_nll", VALIDATION, "validation")
    _curve(loss, history, "validation_composed_nll", COMPOSED, "validation, other backgrounds")
    loss.set_ylabel("loss, nats")
    _curve(accuracy, history, "accuracy", TRAIN, "training crops", scale=100)
    _curve(accuracy, history, "validation_accuracy", VALIDATION, "validation", scale=100)
    _curve(accuracy, history, "validation_composed_accuracy", COMPOSED, "validation, other backgrounds", scale=100)
    accuracy.set_ylabel("right, %")
    best = kept_epoch(history)
    share = f"{int(best['validation_right'])}/{int(best['validation_total'])} = {best['validation_accuracy']:.2%}"
    accuracy.plot(best["epoch"], 100 * best["validation_accuracy"], "o", ms=11, mfc="none", color=VALIDATION)
    accuracy.set_title(f"kept: epoch {int(best['epoch'])}, {share}", fontsize=10, color=VALIDATION, pad=14)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _plain(axes)
        _mark_stages(axes, history)
        axes.legend(frameon=False)
    figure.suptitle(subject, fontsize=11, parse_math=False)
    save(figure, path)


def kept_epoch(history: Sequence[Row]) -> Row:
    """The row of the epoch that best.pt holds: most right, then lowest NLL; other backgrounds count alike."""
    return max(
        (row for row in history if "validation_right" in row),
        key=lambda row: (
            row["validation_right"] + row.get("validation_composed_right", 0),
            -row["validation_nll"] - row.get("validation_composed_nll", 0.0),
        ),
    )


def _curve(axes: Axes, history: Sequence[Row], key: str, colour: str, label: str, *, scale: float = 1) -> None:
    """Nothing where no epoch has the key."""
    points = [(row["epoch"], scale * row[key]) for row in history if key in row]
    if points:
        axes.plot(*zip(*points, strict=True), "o-", ms=4, color=colour, label=label)


def _mark_stages(axes: Axes, history: Sequence[Row]) -> None:
    """A faint line where a stage of the fit ends; the stages' names above. Nothing for a fit of one stage."""
    rows = zip([{}, *history], history, strict=False)
    starts = [row for before, row in rows if row.get("stage") != before.get("stage")]
    if len(starts) < 2:
        return
    style: dict[str, Any] = {
        "transform": axes.get_xaxis_transform(), "fontsize": 7.5, "color": "#666666", "parse_math": False,
    }  # fmt: skip
    axes.text(starts[0]["epoch"] - 0.5, 1.015, "stage ", ha="right", **style)
    for row in starts:
        axes.axvline(row["epoch"] - 0.5, color="#222222", alpha=0.25, lw=1, ls=":")
        axes.text(row["epoch"] - 0.4, 1.015, str(row["stage"]), **style)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def save(figure: Figure, path: Path, **options: Any) -> None:
    """Write a PNG, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=130, **options)
