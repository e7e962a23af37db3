"""python -m train recover."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import ConfigOption, DataOption


def recover(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle.")],
    data: DataOption = None,
    config: ConfigOption = Path("configs/train/pruned.yaml"),
    out: Annotated[Path, typer.Option(help="Folder for best.pt and split.json.")] = Path("runs/recovered"),
) -> None:
    """Make a checkpoint of a bundle, to go on from where the one it was packed from is not at hand.

    Its weights are as near to those as int8 holds them. Give the photographs that the bundle was fitted to: others
    might be judged by pictures that it has seen.

    Examples:

        python -m train recover models/resnet50-trashnet --out runs/shipped

        python -m train fit --config configs/train/pruned.yaml --start runs/shipped/best.pt \\
            --teacher runs/shipped/best.pt --out runs/further
    """
    from train.config import load_config
    from train.data import find_data
    from train.recover import recover as make_checkpoint

    figures = make_checkpoint(bundle, find_data(data), out, load_config(config))
    composed = f", on other trays {figures['composed_right']}" if "composed_right" in figures else ""
    print(f"validation {figures['right']}/{figures['total']}{composed}; {out / 'best.pt'}")
