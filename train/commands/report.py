"""python -m train report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from train.commands.options import DataOption


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a fit: best.pt, history.json, split.json.")],
    data: DataOption = None,
    split: Annotated[
        Literal["test", "validation", "both"],
        typer.Option(help="Which photographs; validation leaves the test photographs unseen."),
    ] = "both",
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle exported from the run, to stand beside its network.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for index.html and its pictures; an older report there is replaced.  [default: RUN/report]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a page of a fit: figures, curves, confusions, calibration, and the photographs it gets wrong, with why.

    Examples:

        python -m train report runs/first

        python -m train report runs/first --bundle models/resnet50-trashnet

        python -m train report runs/first --split validation --out /tmp/report
    """
    from train.data import find_data
    from train.report.build import Order, write_report  # torch takes seconds to import: --help need not wait for it

    parts: tuple[Literal["test", "validation"], ...] = ("test", "validation") if split == "both" else (split,)
    page = write_report(Order(run, find_data(data), parts, bundle, out or run / "report"))
    print(f"written: {page}")
