"""python -m train soup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import DataOption


def soup(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished fits, two or more.")],
    data: DataOption = None,
    shares: Annotated[
        list[float] | None,
        typer.Option("--share", help="Of each RUN, in their order; without it validation chooses all."),
    ] = None,
    size_px: Annotated[
        int | None,
        typer.Option(min=64, help="Side of the input, where it is to be another than the fits'; smaller is faster."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for best.pt, split.json, soup.json.")] = Path("runs/soup"),
) -> None:
    """Average the weights of several fits, in the shares that are given or that validation likes best.

    Examples:

        python -m train soup runs/first runs/plain --out runs/soup

        python -m train soup runs/first runs/plain --share 0.6 --share 0.4 --size-px 192 --out runs/soup
    """
    from train.data import find_data
    from train.soup import cook

    said = cook(runs, find_data(data), out, shares or (), size_px)
    for run, figures in said["alone"].items():
        print(f"{said['shares'].get(run, 0.0):5.0%}  {run}: {_line(figures)}")
    print(f"{_line(said['validation'])}; {out / 'best.pt'}")


def _line(figures: dict[str, float]) -> str:
    composed = f", on other trays {figures['composed_right']}" if "composed_right" in figures else ""
    return f"validation {figures['right']}/{figures['total']} = {figures['accuracy']:.2%}{composed}"
