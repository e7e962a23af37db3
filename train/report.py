"""Pictures: the confusion matrix of an evaluation, the curves of a fit. Drawn without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edge.bundle.figures import macro_f1
from train.evaluate import Evaluation

_TRAIN, _VALIDATION = "#8a8f98", "#0b6e4f"


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
    axes.set_xticks(ticks, evaluation.labels, rotation=30, ha="right")
    axes.set_yticks(ticks, [f"{label} ({n})" for label, n in zip(evaluation.labels, counts.sum(axis=1), strict=True)])
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
    )
    _save(figure, path)


def draw_curves(history: list[dict[str, float]], path: Path, *, subject: str) -> None:
    """Loss and accuracy per epoch, training crops beside validation; the best epoch is marked."""
    epochs = [int(row["epoch"]) for row in history]
    best = max(history, key=lambda row: (row["validation_right"], -row["validation_nll"]))
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, [row["loss"] for row in history], "o-", color=_TRAIN, label="training crops (label-smoothed)")
    loss.plot(epochs, [row["validation_nll"] for row in history], "o-", color=_VALIDATION, label="validation")
    loss.set_ylabel("loss, nats")
    accuracy.plot(epochs, [100 * row["accuracy"] for row in history], "o-", color=_TRAIN, label="training crops")
    accuracy.plot(
        epochs,
        [100 * row["validation_accuracy"] for row in history],
        "o-",
        color=_VALIDATION,
        label="validation",
    )
    accuracy.set_ylabel("right, %")
    share = f"{int(best['validation_right'])}/{int(best['validation_total'])} = {best['validation_accuracy']:.2%}"
    accuracy.plot(best["epoch"], 100 * best["validation_accuracy"], "o", ms=11, mfc="none", color=_VALIDATION)
    accuracy.set_title(f"kept: epoch {int(best['epoch'])}, {share}", fontsize=10, color=_VALIDATION)
    for axes in (loss, accuracy):
        _plain(axes, epochs)
    figure.suptitle(subject, fontsize=11)
    _save(figure, path)


def _plain(axes: Axes, epochs: list[int]) -> None:
    axes.set_xlabel("epoch")
    axes.set_xticks(epochs)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)


def _save(figure: Figure, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=130, **options)
