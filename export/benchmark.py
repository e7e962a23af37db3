"""Every engine side by side in one run, with PyTorch as the base line: latency, memory, size, accuracy."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.bundle.figures import wilson_interval
from edge.engines.cache import NO_CACHE, processor
from edge.engines.candidate import Candidate
from edge.engines.kinds import KINDS
from edge.engines.select import opened
from edge.engines.timing import Call, in_turns, latency_of
from edge.errors import BundleError
from export.checkpoint import Checkpoint
from export.figures import right_of
from export.parity import logits_from

USUAL_PX = 224
"""ResNet50's own input. The base line takes it whatever the bundle's, since a smaller one is a way to be faster."""

FILES = {"executorch": "model.pte"}
"""What a kind of engine reads, where it is not model.onnx."""

_CHILD = """
import sys
import numpy as np, psutil
from pathlib import Path
image = np.zeros((1, int(sys.argv[4]), int(sys.argv[4]), 3), np.uint8)
if sys.argv[1] == "torch":
    import torch
    from export.checkpoint import read_checkpoint
    checkpoint = read_checkpoint(Path(sys.argv[2]))
    torch.set_num_threads(int(sys.argv[3]))
    call = lambda: checkpoint.reference_logits(image)
else:
    from contextlib import ExitStack
    from edge.bundle import load_bundle
    from edge.engines.cache import NO_CACHE
    from edge.engines.candidate import Candidate
    from edge.engines.select import opened
    stack = ExitStack()
    candidate = Candidate(sys.argv[1], int(sys.argv[3]))
    engine, _ = stack.enter_context(opened(candidate, load_bundle(Path(sys.argv[2])), NO_CACHE))
    call = lambda: engine.infer(image)
for _ in range(5):
    call()
print(psutil.Process().memory_info().rss)
"""


@dataclass(frozen=True)
class Row:
    """An engine. ratio: how many times as fast as eager PyTorch in float32, in the same run. why: why it was not run.

    resident_mib: of a process that runs this engine and nothing else. right, total: validation photographs.
    """

    engine: str
    median_ms: float = 0.0
    p90_ms: float = 0.0
    ratio: float = 0.0
    right: int = 0
    resident_mib: float = 0.0
    size_mb: float = 0.0
    total: int = 0
    why: str | None = None


def benchmark(
    bundle: Bundle,
    checkpoint: Checkpoint,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    *,
    threads: int,
    rounds: int,
) -> list[Row]:
    """Measure on `threads` threads each, one picture of images (N, size, size, 3) at a time, in turns.

    Returns eager PyTorch and the engines, slowest first, then those that could not be run.
    """
    torch.set_num_threads(threads)
    right = right_of(checkpoint.reference_logits(images), targets)
    base = _eager_name(USUAL_PX)
    calls: dict[str, Call] = {}
    known: dict[str, tuple[int, float, float]] = {}  # right, resident MiB, size MB
    for px in sorted({USUAL_PX, images.shape[1]}):
        calls[_eager_name(px)] = _eager(checkpoint, px)
        resident_mib = _resident_mib("torch", checkpoint.path, threads, px)
        known[_eager_name(px)] = right, resident_mib, checkpoint.path.stat().st_size / 1e6
    not_run = []
    with ExitStack() as stack:
        for kind in KINDS:
            try:
                engine, _ = stack.enter_context(opened(Candidate(kind, threads), bundle, NO_CACHE))
            except BundleError as error:
                not_run.append(Row(kind, why=str(error)))
                continue
            calls[engine.name] = partial(engine.infer, images[:1])
            resident_mib = _resident_mib(kind, bundle.path, threads, images.shape[1])
            size_mb = (bundle.path / FILES.get(kind, "model.onnx")).stat().st_size / 1e6
            known[engine.name] = right_of(logits_from(engine, images), targets), resident_mib, size_mb
        taken = {name: latency_of(seconds) for name, seconds in in_turns(calls, rounds=rounds, what="engines").items()}
    base_ms = taken[base].median_ms
    rows = [
        Row(name, latency.median_ms, latency.p90_ms, base_ms / latency.median_ms, *known[name], len(images))
        for name, latency in taken.items()
    ]
    return sorted(rows, key=lambda row: row.ratio) + not_run


def _eager_name(px: int) -> str:
    return f"torch-fp32, {px} px"


def _eager(checkpoint: Checkpoint, px: int) -> Call:
    """Eager PyTorch on a tensor (1, 3, px, px) that is normalised already: the network alone."""
    x = torch.zeros(1, 3, px, px)

    @torch.inference_mode()
    def call() -> object:
        return checkpoint.network(x)

    return call


def _resident_mib(kind: str, path: Path, threads: int, px: int) -> float:
    """Resident memory of a process that runs this engine alone, after five pictures."""
    command = [sys.executable, "-c", _CHILD, kind, str(path), str(threads), str(px)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise BundleError(f"{kind}: its process ended with {done.returncode}: {' '.join(last)}")
    return int(done.stdout) / 1024**2


def write_json(rows: Sequence[Row], bundle: Bundle, path: Path, *, threads: int) -> None:
    """Write benchmark.json: the rows, and the machine and libraries that they are true of."""
    identity = bundle.model_id
    document = {
        "model": identity.name, "version": identity.version, "model_sha256": identity.sha256,
        "size_px": bundle.manifest.preprocessing.size_px, "base": _eager_name(USUAL_PX), "threads": threads,
        "processor": processor(), "python": platform.python_version(), "torch": torch.__version__,
        "engines": [asdict(row) for row in rows],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def draw(rows: Sequence[Row], bundle: Bundle, path: Path, *, threads: int) -> None:
    """Write benchmark.png: how many times as fast as the base line, with latency, memory and accuracy beside it."""
    run = [row for row in rows if row.why is None]
    figure = Figure(figsize=(11, 1.4 + 0.5 * len(run)), layout="constrained")
    bars, notes = figure.subplots(1, 2, width_ratios=[1.4, 1])
    place = np.arange(len(run))
    bars.barh(
        place,
        [row.ratio for row in run],
        0.7,
        color=["#8a8f98" if row.engine.startswith("torch") else "#0b6e4f" for row in run],
    )
    for at, row in zip(place, run, strict=True):
        bars.text(row.ratio, at, f" {row.ratio:.1f}×", va="center")
        low, high = wilson_interval(row.right, row.total)
        text = (
            f"{row.median_ms:.1f} ms (p90 {row.p90_ms:.1f}), {row.resident_mib:.0f} MiB, file {row.size_mb:.0f} MB, "
            f"{row.right}/{row.total} ({100 * low:.0f} to {100 * high:.0f} %)"
        )
        notes.text(0, at, text, va="center", fontsize=9)
    bars.set_yticks(place, [row.engine for row in run])
    bars.set_xlabel(f"times as fast as eager PyTorch in float32 at {USUAL_PX} px, in the same run, {threads} threads")
    bars.spines[["top", "right"]].set_visible(False)
    bars.margins(x=0.12)
    notes.set_ylim(bars.get_ylim())
    notes.set_axis_off()
    notes.set_title("one picture: median; memory of its process; right on validation", fontsize=9, loc="left")
    figure.suptitle(f"{bundle.model_id.name} {bundle.model_id.version}, {bundle.manifest.preprocessing.size_px} px")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=110, format="png")
