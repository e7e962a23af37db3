"""python -m export tensorrt: the engine of an NVIDIA GPU, built before a bin needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from export.commands.options import BundleArgument


def tensorrt(
    bundle: BundleArgument,
    cache: Annotated[Path, typer.Option(help="Where it is kept; a bin looks into engines/ of its state_dir.")] = Path(
        "var/sim/engines"
    ),
) -> None:
    """Build a bundle's TensorRT engine for this machine's GPU, and hold it against the golden set. Takes minutes.

    An engine that is there already is not built again. It runs on this GPU with this TensorRT and driver only.

    Example: python -m export tensorrt models/resnet50-trashnet --cache /var/lib/smartbin/engines
    """
    from edge.bundle import load_bundle, self_test
    from edge.engines.cache import EngineCache
    from edge.engines.tensorrt import TensorRtEngine

    packed, console = load_bundle(bundle), Console()
    with TensorRtEngine(packed, cache=EngineCache(cache)) as engine:
        allowed = packed.tolerance_of(engine.precision)
        difference = self_test(engine, packed.golden, allowed)
        console.print(
            f"{engine.name}: {len(packed.golden.images)} golden pictures within {difference:.3f} of torch, "
            f"allowed {allowed}; {engine.kept or 'not kept'}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
