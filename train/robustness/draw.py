"""The measure as one picture: shifts × classes, a bar a shift, and what the shifts look like on a rendered can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edge.bundle import read_picture
from edge.bundle.figures import wilson_interval
from edge.domain import RgbImage
from train.robustness.measure import CLEAN, Answers
from train.robustness.report import Measured
from train.robustness.shifts import apply, clean, subject

RENDERED_CAN = Path(__file__).parents[1] / "render" / "golden" / "drinks-can.png"
"""The project's own picture: no data set's photograph is in what ships."""

HEIGHT_PX = 384  # of the photographs that the shifts were made for
TILE_PX = (240, 180)  # width, height
GAP_PX = 32

_BARS = ("#0b6e4f", "#8a8f98", "#b7791f", "#7a93a8")
_INK = "#222222"


def draw(measured: Sequence[Measured], path: Path, *, split: str) -> None:
    """Write robustness.png, whole or not at all, making its folder. The first bundle has the heat map."""
    first = measured[0]
    shifts = list(first.robustness.answers)
    rows = [first.robustness.answers[shift]["followed"] for shift in shifts]
    figure = Figure(figsize=(13.2, 0.46 * len(shifts) + 4.6), layout="constrained")
    heights = [0.46 * len(shifts) + 1.2, 3.0]
    grid = figure.add_gridspec(2, 2, width_ratios=[1.25, 1], height_ratios=heights)
    heat, strip = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, :])
    bars = figure.add_subplot(grid[0, 1], sharey=heat)
    _draw_heat(heat, shifts, rows)
    _draw_bars(bars, shifts, measured)
    mean, worst = first.robustness.mean("followed"), first.robustness.worst("followed")
    figure.suptitle(
        f"{first.name} in other bins, {split}, {rows[0].overall.total} photographs a shift: mean {mean:.1%}, "
        f"worst {first.robustness.accuracies('followed')[worst]:.1%} ({worst})",
        fontsize=12,
        parse_math=False,
    )
    _draw_strip(strip, shifts)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    FigureCanvasAgg(figure).print_figure(part, dpi=110, format="png")
    part.replace(path)


def _draw_heat(axes: Axes, shifts: Sequence[str], rows: Sequence[Answers]) -> None:
    """Recall of each class; CLEAN is the first row."""
    labels = rows[0].labels
    shares = np.array([[row.recall[label].accuracy for label in labels] for row in rows])  # (shifts, K)
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*shares.shape):
        colour = "white" if shares[row, column] > 0.55 else _INK
        axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=10, color=colour)
    counts = [rows[0].recall[label].total for label in labels]
    names = [f"{label}\n({count})" for label, count in zip(labels, counts, strict=True)]
    axes.set_xticks(range(len(labels)), names, parse_math=False)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(shifts)), shifts)
    axes.set_xticks(np.arange(-0.5, len(labels)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(shifts)), minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("recall, % of the class's photographs; the crop follows the item")


def _draw_bars(axes: Axes, shifts: Sequence[str], measured: Sequence[Measured]) -> None:
    """Accuracy with its 95 % interval, one bar a bundle; a mark where the whole picture was classified instead."""
    place = np.arange(len(shifts))
    thickness = 0.8 / len(measured)
    for b, one in enumerate(measured):
        answers = [one.robustness.answers[shift] for shift in shifts]
        shares = [views["followed"].overall for views in answers]
        accuracy = np.array([100 * share.accuracy for share in shares])
        intervals = 100 * np.array([wilson_interval(share.right, share.total) for share in shares])
        y = place + (b - (len(measured) - 1) / 2) * thickness
        error = np.abs(intervals.T - accuracy)
        style = {"ecolor": "#555555", "elinewidth": 1, "capsize": 2}
        axes.barh(y, accuracy, 0.9 * thickness, color=_BARS[b % len(_BARS)], xerr=error, error_kw=style, label=one.name)
        whole = [100 * views["whole"].overall.accuracy for views in answers]
        label = "whole picture" if b == len(measured) - 1 else None
        axes.plot(whole, y, "D", ms=5, mfc="white", mec=_INK, label=label)
        for at, value in zip(y, accuracy, strict=True):
            axes.text(1.5, at, f"{value:.1f}", va="center", fontsize=9 if len(measured) == 1 else 7, color="white")
    axes.set(xlim=(0, 100), xlabel="right, %; line: 95 % interval")
    axes.tick_params(which="both", labelleft=False, left=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=9)


def _draw_strip(axes: Axes, shifts: Sequence[str]) -> None:
    """The rendered can under every shift, in two rows, to show what is meant by their names."""
    rgb = read_picture(RENDERED_CAN)
    enlarged = cv2.resize(rgb, (HEIGHT_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    can = subject(_widened(np.asarray(enlarged, np.uint8)), "metal/rendered-can")
    columns = (len(shifts) + 1) // 2
    mosaic = np.full((2 * (TILE_PX[1] + GAP_PX), columns * (TILE_PX[0] + GAP_PX), 3), 255, np.uint8)
    for number, shift in enumerate(shifts):
        shown = clean(can) if shift == CLEAN else apply(shift, can)
        tile = cv2.resize(shown.rgb, TILE_PX, interpolation=cv2.INTER_AREA)
        top, left = (TILE_PX[1] + GAP_PX) * (number // columns), (TILE_PX[0] + GAP_PX) * (number % columns)
        mosaic[top + GAP_PX : top + GAP_PX + TILE_PX[1], left : left + TILE_PX[0]] = tile
        axes.text(left, top + GAP_PX - 6, shift, fontsize=8.5)
    axes.imshow(mosaic)
    axes.set_axis_off()


def _widened(rgb: RgbImage) -> RgbImage:
    """A square picture → 4:3, as a camera's: its outermost columns go on."""
    height, width = rgb.shape[:2]
    margin = (4 * height // 3 - width) // 2
    return np.asarray(cv2.copyMakeBorder(rgb, 0, 0, margin, margin, cv2.BORDER_REPLICATE), np.uint8)
