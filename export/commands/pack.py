"""python -m export pack: a checkpoint becomes the bundle that a bin runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from export.commands.options import DataOption, SplitOption

if TYPE_CHECKING:
    from export.pipeline import Order, Summary

console = Console()


def pack(
    checkpoint: Annotated[Path, typer.Argument(help="best.pt of a fit.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="The bundle's folder; an older bundle there is replaced in one step.")
    ] = Path("models/resnet50-trashnet"),
    data: DataOption = None,
    split: SplitOption = None,
    golden: Annotated[Path, typer.Option(help="PNG renders for the golden self-test.")] = Path("train/render/golden"),
    version: Annotated[str, typer.Option(help="The bundle's version, three numbers.")] = "0.1.0",
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "MIT",
    recipe: Annotated[str, typer.Option(help="How int8 ranges are found; --compare lists them all.")] = "",
    photos: Annotated[int, typer.Option(help="Training photographs for the int8 ranges.", min=8)] = 512,
    compare: Annotated[
        bool, typer.Option("--compare", help="Measure every recipe on validation; pack nothing.")
    ] = False,
) -> None:
    """Make a bundle: ONNX graph, int8 form, calibration, golden set, manifest; then test it as a bin would.

    Examples:
        python -m export runs/first/best.pt

        python -m export runs/first/best.pt --out models/mine --version 0.2.0

        python -m export runs/first/best.pt --compare
    """
    from export import pipeline  # torch takes seconds to import: --help need not wait for it
    from export.pack import Naming
    from export.quantize import CHOSEN, RECIPES

    recipe = recipe or CHOSEN
    if recipe not in RECIPES:
        raise typer.BadParameter(f"{recipe!r}; there are {', '.join(RECIPES)}", param_hint="--recipe")
    order = pipeline.Order(
        checkpoint, out, split, data, golden,
        Naming(out.absolute().name, version, licence), RECIPES[recipe], photos,
    )  # fmt: skip
    if compare:
        _print_trials(order)
    else:
        _print_summary(pipeline.export(order, console.print), out)


def _print_trials(order: Order) -> None:
    from export import pipeline

    table = Table("recipe", "right", "same top-1 as float32", "RMS logit difference", "MB")
    for trial in pipeline.compare(order, console.print):
        console.print(f"{trial.name}: {trial.right}/{trial.total}")
        table.add_row(
            trial.name, f"{trial.right}/{trial.total}", f"{trial.same_top1}/{trial.total}",
            f"{trial.rms_difference:.4f}", f"{trial.size_bytes / 1e6:.1f}",
        )  # fmt: skip
    console.print(table)


def _print_summary(summary: Summary, out: Path) -> None:
    fp32_ms, int8_ms = summary.latencies_ms
    cells = {(row.precision, row.split): f"{row.right}/{row.total} = {row.accuracy:.2%}" for row in summary.metrics}
    table = Table("", "float32", "int8")
    for name in ("validation", "test"):
        table.add_row(name, cells["fp32", name], cells["int8", name])
    size = summary.bundle.manifest.artefacts["model.onnx"].size_bytes
    table.add_row("size", f"{summary.fp32_bytes / 1e6:.1f} MB", f"{size / 1e6:.1f} MB")
    table.add_row("latency, taken in turns", "1", f"{int8_ms / fp32_ms:.2f}")
    console.print(table)
    chosen, calibration = summary.chosen, summary.calibration
    console.print(
        f"golden: {len(chosen.golden.images)} pictures, int8 within {summary.golden_difference:.3f} of torch, "
        f"allowed {chosen.tolerance['int8']}; left out as undecided: {', '.join(chosen.left_out) or 'none'}"
    )
    console.print(
        f"temperature {calibration.temperature:.3f} (nll {calibration.nll_before:.3f} → {calibration.nll_after:.3f}), "
        f"novel above energy {calibration.novelty_energy:.2f}"
    )
    console.print(f"packed {out}; next: python -m train evaluate {out}")
