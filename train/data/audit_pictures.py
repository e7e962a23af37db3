"""The findings of an audit as pictures, for people: a PNG each, drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edge.bundle.preprocess import read_picture
from train.data.audit import Audit
from train.data.copies import Copies

GREEN, RED, GREY = "#0b6e4f", "#b91c1c", "#8a8f98"
TILE_PX = (160, 120)  # of a contact sheet: width, height
SHEET_COLUMNS = 12
WIDTH_IN, TITLE_IN = 10.4, 0.36
SHOWN_PAIRS = 12
SHOWN_GROUPS = 8
SHOWN_MEMBERS = 72


def draw_classes(counts: Mapping[str, int], path: Path) -> None:
    """A bar a class, most photographs first, with count and share."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    total, largest = sum(counts.values()), ordered[0][1]
    figure = Figure(figsize=(7.6, 0.7 + 0.36 * len(ordered)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(ordered)), [n for _, n in ordered], color=GREEN, height=0.7)
    for row, (_, n) in enumerate(ordered):
        axes.text(n + largest / 100, row, f"{n}  ({n / total:.1%})", va="center", fontsize=9)
    axes.set_yticks(range(len(ordered)), [label for label, _ in ordered], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, largest * 1.15)
    axes.set_title(f"{total} photographs; largest class to smallest {largest / ordered[-1][1]:.1f} : 1", fontsize=10)
    _bare(axes)
    _save(figure, path)


def draw_sizes(sizes: Mapping[tuple[int, int], int], path: Path) -> None:
    """Photographs by their longer side and by width/height."""
    shapes, counts = np.array(list(sizes), np.float64), np.array(list(sizes.values()))
    figure = Figure(figsize=(7.6, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, values, name in (
        (left, shapes.max(axis=1), "longer side, pixels"),
        (right, shapes[:, 0] / shapes[:, 1], "width / height"),
    ):
        axes.hist(values, bins=40, range=(0, 1.2 * values.max()), weights=counts, color=GREEN)
        axes.set_xlabel(name)
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylabel("photographs")
    (width, height), most = next(iter(sizes.items()))
    often = f"{len(sizes)} sizes, most often" if len(sizes) > 1 else "one size,"
    figure.suptitle(f"{often} {width} × {height}: {most} photographs", fontsize=10)
    _save(figure, path)


def draw_pairs(pairs: Sequence[Copies], root: Path, path: Path) -> None:
    """Pairs side by side, two pairs a row, the labels above: in red where they differ."""
    shown = pairs[:SHOWN_PAIRS]
    rows = (len(shown) + 1) // 2
    height = 0.4 + 2.2 * rows
    figure = Figure(figsize=(WIDTH_IN, height))
    sides = {"left": 0.005, "right": 0.995, "bottom": 0.01, "top": 1 - 0.6 / height}
    grid = figure.add_gridspec(rows, 5, width_ratios=(1, 1, 0.12, 1, 1), wspace=0.03, hspace=0.14, **sides)
    for i, pair in enumerate(shown):
        for side, name in enumerate((pair.first, pair.second)):
            axes = figure.add_subplot(grid[i // 2, 3 * (i % 2) + side])
            axes.imshow(_tile(root / name, (320, 240)))
            axes.set_title(name, fontsize=9, color=RED if pair.conflicting else "#222222", parse_math=False)
            axes.set_axis_off()
    same = "the same bytes" if all(pair.exact for pair in shown) else "the same picture"
    figure.suptitle(f"{len(shown)} of {len(pairs)} pairs: {same}", fontsize=10, y=1 - 0.1 / height, va="top")
    _save(figure, path)


def draw_groups(repeated: Sequence[Sequence[str]], root: Path, path: Path) -> None:
    """A contact sheet for each of the largest groups, one below the other."""
    shown = repeated[:SHOWN_GROUPS]
    sheets = [_sheet([root / name for name in names[:SHOWN_MEMBERS]]) for names in shown]
    aspects = [sheet.shape[0] / sheet.shape[1] for sheet in sheets]
    height = sum(WIDTH_IN * aspect + TITLE_IN for aspect in aspects)
    figure, top = Figure(figsize=(WIDTH_IN, height)), height
    for names, sheet, aspect in zip(shown, sheets, aspects, strict=True):
        top -= WIDTH_IN * aspect + TITLE_IN
        axes = figure.add_axes((0, top / height, 1, WIDTH_IN * aspect / height))
        axes.imshow(sheet)
        labels = ", ".join(sorted({name.split("/")[0] for name in names}))
        left_out = f", {SHOWN_MEMBERS} of them shown" if len(names) > SHOWN_MEMBERS else ""
        title = f"{labels}: {len(names)} photographs of one object{left_out}"
        axes.set_title(title, fontsize=9, loc="left", parse_math=False)
        axes.set_axis_off()
    _save(figure, path)


def _sheet(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """(rows · TILE_PX[1], SHEET_COLUMNS · TILE_PX[0], 3) uint8 RGB, white where nothing is left to show."""
    width, height = TILE_PX
    rows = -(-len(paths) // SHEET_COLUMNS)
    sheet = np.full((rows * height, SHEET_COLUMNS * width, 3), 255, np.uint8)
    for i, path in enumerate(paths):
        top, left = i // SHEET_COLUMNS * height, i % SHEET_COLUMNS * width
        sheet[top + 2 : top + height - 2, left + 2 : left + width - 2] = _tile(path, (width - 4, height - 4))
    return sheet


def _tile(path: Path, side: tuple[int, int]) -> NDArray[np.uint8]:
    """(side[1], side[0], 3) uint8 RGB: the whole photograph, its aspect kept, on light grey."""
    rgb = read_picture(path)
    scale = min(side[0] / rgb.shape[1], side[1] / rgb.shape[0])
    width, height = (max(1, round(length * scale)) for length in (rgb.shape[1], rgb.shape[0]))
    tile = np.full((side[1], side[0], 3), 238, np.uint8)
    top, left = (side[1] - height) // 2, (side[0] - width) // 2
    tile[top : top + height, left : left + width] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    return tile


def _bare(axes: Axes) -> None:
    """Bars that carry their own numbers need no frame and no scale."""
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure).print_figure(path, dpi=130)


def draw_audit(audit: Audit, folder: Path) -> dict[str, str]:
    """Every finding that there is: file name → what it shows. What an earlier audit left there is removed."""
    root = audit.photos.root
    same_label = [pair for pair in audit.copies if not pair.conflicting]
    two_labels = [pair for pair in audit.copies if pair.conflicting]
    pictures = {"classes.png": "Photographs of each class", "sizes.png": "Sizes and aspects"}
    draw_classes(audit.class_counts, folder / "classes.png")
    draw_sizes(audit.sizes, folder / "sizes.png")
    if two_labels:
        draw_pairs(two_labels, root, folder / "conflicting.png")
        pictures["conflicting.png"] = "One picture under two labels"
    if same_label:
        draw_pairs(same_label, root, folder / "duplicates.png")
        pictures["duplicates.png"] = "One picture twice in a class"
    if audit.groups:
        draw_groups(audit.repeated, root, folder / "groups.png")
        pictures["groups.png"] = "Objects photographed most often"
    for stale in {"conflicting.png", "duplicates.png", "groups.png"} - set(pictures):
        (folder / stale).unlink(missing_ok=True)
    return pictures
