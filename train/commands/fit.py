"""python -m train fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import DEFAULT_CONFIG, ConfigOption, DataOption, SetOption, WeightsOption


def fit(
    config: ConfigOption = DEFAULT_CONFIG,
    data: DataOption = None,
    weights: WeightsOption = None,
    out: Annotated[Path, typer.Option(help="Folder for best.pt, phase1.pt, last.pt, history.json, curves.png.")] = Path(
        "runs/latest"
    ),
    changes: SetOption = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoint to distil from, where the config says finetune.distill. May be repeated."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="Checkpoint of another fit to go on from, instead of ImageNet weights.")
    ] = None,
    extra: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of photographs that only teach: a bin's corrected captures, renders. May be repeated."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the fit whose last.pt is in --out.")] = False,
) -> None:
    """Train: a head on frozen features, then block after block.

    Examples:

        python -m train fit --out runs/first

        python -m train fit --weights resnet50_fp16.pt --out runs/first --set finetune.mix=null

        python -m train fit --start runs/first/best.pt --out runs/second

        python -m train fit --start runs/first/best.pt --extra corrected/ --out runs/taught

        python -m train fit --out runs/first --resume

        torchrun --nproc-per-node 2 -m train fit --out runs/first
    """
    from train import fit as fitting  # torch takes seconds to import: --help need not wait for it
    from train.config import load_config
    from train.data import find_data
    from train.report import draw_curves

    settings = load_config(config, changes or ())
    order = fitting.Order(
        settings,
        find_data(data),
        weights,
        out,
        resume=resume,
        teachers=tuple(teacher or ()),
        start=start,
        extra=tuple(extra or ()),
    )
    progress = fitting.fit(order)
    if not fitting.speaks():
        return
    best = progress.best
    draw_curves(progress.history, out / "curves.png", subject=f"{settings.model.arch}: {out}")
    print(f"best: validation {best['right']}/{best['total']} = {best['accuracy']:.2%}; {out / 'best.pt'}")
