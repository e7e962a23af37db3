"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with one sub-folder of photographs a class.  [default: $SMARTBIN_DATA/trashnet]",
        show_default=False,
    ),
]
ConfigOption = Annotated[Path, typer.Option(help="What to do, in YAML.")]
WeightsOption = Annotated[
    Path | None,
    typer.Option(help="ImageNet weights, torchvision's names; without it they are downloaded."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change one value of the config: --set finetune.mix=null. May be repeated."
    ),
]
DEFAULT_CONFIG = Path("configs/train/resnet50.yaml")
