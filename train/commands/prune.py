"""python -m train prune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import DataOption


def prune(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="best.pt of a finished fit.")],
    data: DataOption = None,
    keep: Annotated[float, typer.Option(min=0.05, max=0.99, help="Share of the multiply-adds that may remain.")] = 0.5,
    crops: Annotated[int, typer.Option(min=16, help="Training crops by which channels are judged.")] = 1536,
    out: Annotated[Path, typer.Option(help="Folder for best.pt, split.json, pruned.json.")] = Path("runs/pruned"),
) -> None:
    """Leave out the channels that the answers need least: a smaller, faster network, to be fine-tuned next.

    Examples:

        python -m train prune runs/soup/best.pt --keep 0.5 --out runs/pruned

        python -m train fit --config configs/train/pruned.yaml --start runs/pruned/best.pt \\
            --teacher runs/soup/best.pt --out runs/slim
    """
    from train.data import find_data
    from train.prune import prune as leave_out

    said = leave_out(checkpoint, find_data(data), out, keep=keep, crops=crops)
    before, after = (said["multiply_adds"][name] / 1e9 for name in ("before", "after"))
    for name, width in said["widths"].items():
        print(f"{name}: {width}")
    figures = said["validation"]
    print(
        f"{before:.2f} G multiply-adds, now {after:.2f} G; before fine-tuning validation {figures['right']}/"
        f"{figures['total']}; {out / 'best.pt'}"
    )
