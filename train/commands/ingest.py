"""python -m train ingest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ingest(
    captures: Annotated[Path, typer.Argument(help="What the console's history tab exported: the zip, or its folder.")],
    out: Annotated[Path, typer.Option(help="Folder of photographs, a sub-folder for each label.")] = Path("data/field"),
) -> None:
    """Make photographs to train with from what people corrected at a bin.

    Each is cropped as it was classified. The same picture is kept once, one under two labels not at all, and
    provenance.jsonl says of each where it came from. May be repeated with later exports.

    Examples:

        python -m train ingest demo-corrected.zip

        python -m train ingest demo-corrected.zip --out data/field
    """
    from train.ingest import ingest as into

    done = into(captures, out)
    for name, why in sorted(done.left_out.items()):
        print(f"left out {name}: {why}")
    counts = ", ".join(f"{label} {count}" for label, count in done.classes.items()) or "none"
    print(f"{out}: {sum(done.classes.values())} photographs, {done.new} new ({counts})")
