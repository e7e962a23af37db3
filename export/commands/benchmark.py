"""python -m export benchmark: every engine of this machine, side by side with eager PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from export.commands.options import BundleArgument, CheckpointArgument, DataOption, SplitOption


def benchmark(
    bundle: BundleArgument,
    checkpoint: CheckpointArgument,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for benchmark.json and .png.  [default: BUNDLE/report]", show_default=False),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of each engine.  [default: the physical cores]", show_default=False)
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each engine, five pictures a turn.")] = 20,
    data: DataOption = None,
    split: SplitOption = None,
) -> None:
    """Measure every engine in one run, in turns: latency, memory, size, and accuracy on the validation photographs.

    Example: python -m export benchmark models/resnet50-trashnet runs/mean/best.pt
    """
    from edge.bundle import load_bundle
    from export import benchmark as measuring
    from export.pipeline import Source

    console, packed, source = Console(), load_bundle(bundle), Source(checkpoint, split, data)
    images, targets = source.part(source.split.validation, "validation")
    count = threads or psutil.cpu_count(logical=False) or 1
    rows = measuring.benchmark(packed, source.checkpoint, images, targets, threads=count, rounds=rounds)
    folder = out or bundle / "report"
    measuring.write_json(rows, packed, folder / "benchmark.json", threads=count)
    measuring.draw(rows, packed, folder / "benchmark.png", threads=count)
    table = Table()
    for name in ("engine", "times as fast", "median", "p90", "memory", "file", "right"):
        table.add_column(name, no_wrap=name == "engine", justify="left" if name == "engine" else "right")
    for row in rows:
        if row.why is None:
            table.add_row(
                row.engine, f"{row.ratio:.1f}", f"{row.median_ms:.1f} ms", f"{row.p90_ms:.1f} ms",
                f"{row.resident_mib:.0f} MiB", f"{row.size_mb:.0f} MB", f"{row.right}/{row.total}",
            )  # fmt: skip
    console.print(table)
    for row in rows:
        if row.why is not None:
            console.print(f"not run: {row.why}", style="dim", highlight=False)
    console.print(f"{folder / 'benchmark.png'}, {folder / 'benchmark.json'}")
