"""python -m export executorch: a bundle gets model.pte, the program that phones run."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from export.commands.options import BundleArgument, CheckpointArgument, DataOption, SplitOption

if TYPE_CHECKING:
    from export.to_executorch import Added

console = Console()


class Precision(str, Enum):
    """In which model.pte computes."""

    int8 = "int8"
    fp32 = "fp32"


def executorch(
    bundle: BundleArgument,
    checkpoint: CheckpointArgument,
    precision: Annotated[Precision, typer.Option(help="In which model.pte computes.")] = Precision.int8,
    data: DataOption = None,
    split: SplitOption = None,
    photos: Annotated[int, typer.Option(help="Training photographs for the int8 ranges.", min=8)] = 128,
) -> None:
    """Add model.pte (ExecuTorch, XNNPACK) to a bundle, after it has passed the bundle's golden self-test.

    Examples:
        python -m export executorch models/resnet50-trashnet runs/first/best.pt

        python -m export executorch models/resnet50-trashnet runs/first/best.pt --precision fp32
    """
    from edge.bundle import load_bundle  # torch and ExecuTorch take seconds to import: --help need not wait for them
    from export import to_executorch
    from export.checkpoint import read_checkpoint

    source, trained = load_bundle(bundle), read_checkpoint(checkpoint)
    to_executorch.check_pair(source, trained)
    if precision is Precision.int8:
        photographs = to_executorch.TrainingPhotographs(
            trained, split or checkpoint.parent / "split.json", data, photos
        )
        console.print(f"int8 ranges over {len(photographs.images)} training photographs, then lowering")
        program = to_executorch.lower_int8(trained, photographs)
    else:
        console.print("lowering in float32")
        program = to_executorch.lower_fp32(trained)
    _print_added(to_executorch.add_to_bundle(source, program, precision.value))


def _print_added(added: Added) -> None:
    bundle = added.bundle
    size = bundle.manifest.artefacts["model.pte"].size_bytes
    console.print(
        f"model.pte: {size / 1e6:.1f} MB, {added.precision}; on the golden pictures within {added.difference:.2g} of "
        f"torch, allowed {added.tolerance}"
    )
    if added.tolerance_before is not None and added.tolerance > added.tolerance_before:
        console.print(
            f"golden_tolerance for {added.precision} was {added.tolerance_before}; it counts for every engine"
        )
    if added.unsigned:
        console.print(f"the manifest has changed and its signature was dropped: sign {bundle.path} again")
    console.print(f"added to {bundle.path}")
