"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BundleArgument = Annotated[Path, typer.Argument(help="A bundle's folder.", show_default=False)]
CheckpointArgument = Annotated[Path, typer.Argument(help="best.pt of the fit it was made from.", show_default=False)]
DataOption = Annotated[
    Path | None,
    typer.Option(help="The photographs of the fit.  [default: $SMARTBIN_DATA/trashnet]", show_default=False),
]
SplitOption = Annotated[
    Path | None,
    typer.Option(help="Which are for what.  [default: split.json beside CHECKPOINT]", show_default=False),
]
