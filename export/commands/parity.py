"""python -m export parity: every engine of this machine against torch, photograph by photograph."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from export.commands.options import BundleArgument, CheckpointArgument, DataOption, SplitOption


def parity(
    bundle: BundleArgument, checkpoint: CheckpointArgument, data: DataOption = None, split: SplitOption = None
) -> None:
    """Hold every engine against float32 torch on the validation photographs; exit code 4 where one is out of tolerance.

    Example: python -m export parity models/resnet50-trashnet runs/mean/best.pt
    """
    from edge.bundle import load_bundle
    from export.parity import MIN_AGREEMENT, allowed, compare_engines, refuse_intolerable
    from export.pipeline import Source

    console = Console()
    packed, source = load_bundle(bundle), Source(checkpoint, split, data)
    images, targets = source.part(source.split.validation, "validation")
    rows = list(compare_engines(packed, source.checkpoint.reference_logits, images, targets))
    table = Table("engine", "right", "same label as torch", "largest logit difference", "RMS")
    table.title = (
        f"{len(targets)} validation photographs; at least {100 * MIN_AGREEMENT:g} % must get torch's label: "
        f"{len(targets) - allowed(len(targets))}"
    )
    for row in rows:
        if row.why is None:
            table.add_row(
                row.engine, f"{row.right}/{row.total}", f"{row.same_top1}/{row.total}",
                f"{row.largest_difference:.3f}", f"{row.rms_difference:.4f}",
            )  # fmt: skip
    console.print(table)
    for row in rows:
        if row.why is not None:
            console.print(f"not run: {row.engine}: {row.why}", style="dim", highlight=False)
    refuse_intolerable(rows)
