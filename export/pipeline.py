"""One export, top to bottom: checkpoint → float32 graph → int8 graph → calibration → golden set → bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.bundle.manifest import Metrics
from export.calibrate import Calibration, calibrate
from export.checkpoint import Checkpoint, read_checkpoint
from export.figures import logits_of, median_latencies_ms, metrics, right_of
from export.pack import (
    GoldenChoice,
    Naming,
    build_manifest,
    check_target,
    choose_golden,
    finish,
    read_golden_pictures,
    replacing,
    write_parts,
)
from export.parity import parity_of, refuse_intolerable
from export.photos import Split, check_data, choose_for_calibration, find_data, load_inputs, read_split, targets_of
from export.quantize import RECIPES, Recipe, quantize
from export.to_onnx import to_onnx

Say = Callable[[str], None]
"""Takes one line for the person who waits."""


@dataclass(frozen=True)
class Order:
    """What is asked for."""

    checkpoint: Path
    out: Path
    split: Path | None
    data: Path | None
    golden: Path
    naming: Naming
    recipe: Recipe
    calibration_photos: int


@dataclass(frozen=True, eq=False)
class Graphs:
    """The two graphs and the photographs they are judged on."""

    fp32: Path
    int8: Path
    validation: NDArray[np.uint8]  # (V, size, size, 3)
    targets: NDArray[np.int64]  # (V,)


@dataclass(frozen=True)
class Summary:
    """What came out. latencies_ms: medians for one picture, fp32 and int8, taken in turns."""

    bundle: Bundle
    metrics: list[Metrics]
    calibration: Calibration
    chosen: GoldenChoice
    onnx_difference: float
    golden_difference: float
    fp32_bytes: int
    latencies_ms: tuple[float, float]


class Source:
    """The checkpoint with its photographs, checked to belong together.

    Raises:
        ConfigError: the checkpoint, the split or the photographs cannot be used.
    """

    def __init__(self, checkpoint: Path, split: Path | None, data: Path | None) -> None:
        self.checkpoint: Checkpoint = read_checkpoint(checkpoint)
        self.split: Split = read_split(split or checkpoint.parent / "split.json")
        self.root = find_data(data)
        check_data(self.root, self.labels, self.checkpoint.header.provenance.data_sha256)

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the network's outputs."""
        return self.checkpoint.header.labels

    def part(self, names: tuple[str, ...], what: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Inputs (N, size, size, 3) uint8 and targets (N,) of these photographs."""
        inputs = load_inputs(self.root, names, self.checkpoint.header.preprocessing, what=what)
        return inputs, targets_of(names, self.labels)

    def calibration_inputs(self, count: int) -> NDArray[np.uint8]:
        """(N, size, size, 3) uint8, training photographs only."""
        return self.part(choose_for_calibration(self.split.train, count), "calibration")[0]


def export(order: Order, say: Say) -> Summary:
    """Make the bundle.

    Raises:
        ConfigError: something that was given cannot be used.
        BundleError: a graph or the bundle made from it does not hold what it must; nothing is written then.
    """
    check_target(order.out)
    source = Source(order.checkpoint, order.split, order.data)
    golden, names = read_golden_pictures(order.golden, source.checkpoint)
    with _graphs(source, order, say) as (graphs, difference):
        int8_logits = logits_of(graphs.int8, graphs.validation, what="int8, validation")
        fp32_logits = logits_of(graphs.fp32, graphs.validation, what="fp32, validation")
        refuse_intolerable([parity_of("int8", int8_logits, fp32_logits, graphs.targets)])
        calibration = calibrate(int8_logits, graphs.targets)
        for row in calibration.promises:
            say(
                f"at most {100 * row.promised:g} % contamination, from probability {row.min_probability:.4f}: sorts "
                f"{row.sorted} of {row.total} validation photographs, {row.wrong} of them wrong"
            )
        if not calibration.promises:
            say("validation has too few photographs, or too many wrong ones, to promise any contamination")
        chosen = choose_golden(golden, names, logits_of(graphs.int8, golden.images, what="int8, golden"))
        figures = _figures(source, graphs, (int8_logits, fp32_logits), order)
        recipe = order.recipe.describe(min(order.calibration_photos, len(source.split.train)))
        with replacing(order.out) as folder:
            artefacts = write_parts(folder, graphs.int8, chosen.golden)
            header = source.checkpoint.header
            manifest = build_manifest(order.naming, header, calibration, chosen, artefacts, recipe, figures)
            bundle, golden_difference = finish(folder, manifest)
        latencies = median_latencies_ms([graphs.fp32, graphs.int8], graphs.validation[:1])
        packed = Bundle(order.out, bundle.manifest, bundle.golden)
        return Summary(
            packed, figures, calibration, chosen, difference, golden_difference,
            graphs.fp32.stat().st_size, (latencies[0], latencies[1]),
        )  # fmt: skip


@contextmanager
def _graphs(source: Source, order: Order, say: Say) -> Iterator[tuple[Graphs, float]]:
    """Both graphs in a temporary folder, and the float32 graph's largest logit difference from torch."""
    with tempfile.TemporaryDirectory(prefix="smartbin-export-") as folder:
        fp32, int8 = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        difference = to_onnx(source.checkpoint, fp32)
        say(f"float32 graph: logits within {difference:.1e} of torch")
        quantize(fp32, int8, source.calibration_inputs(order.calibration_photos), order.recipe)
        say(f"int8 graph: {int8.stat().st_size / 1e6:.1f} MB")
        yield Graphs(fp32, int8, *source.part(source.split.validation, "validation")), difference


def _figures(
    source: Source, graphs: Graphs, validation: tuple[NDArray[np.float32], NDArray[np.float32]], order: Order
) -> list[Metrics]:
    """Both precisions on validation (int8, fp32: (V, K)) and test; the test photographs choose nothing."""
    packed = _shown(order.out)
    fp32_command = f"python -m export {_shown(order.checkpoint)} --out {packed}"
    images, targets = source.part(source.split.test, "test")
    int8_test, fp32_test = (logits_of(graph, images, what="test") for graph in (graphs.int8, graphs.fp32))
    rows = [
        ("validation", *validation, graphs.targets),
        ("test", int8_test, fp32_test, targets),
    ]
    figures = []
    for split, int8, fp32, wanted in rows:
        command = f"python -m train evaluate {packed} --split {split}"
        figures.append(metrics(int8, wanted, precision="int8", split=split, command=command))
        figures.append(metrics(fp32, wanted, precision="fp32", split=split, command=fp32_command))
    return figures


def _shown(path: Path) -> str:
    """A path as it may stand in a published file: relative, or its last two parts."""
    path = path.absolute()
    if path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    return "/".join(path.parts[-2:])


@dataclass(frozen=True)
class Trial:
    """What one recipe does on validation."""

    name: str
    right: int
    total: int
    same_top1: int
    rms_difference: float
    size_bytes: int


def compare(order: Order, say: Say) -> Iterator[Trial]:
    """Quantise by every recipe and measure each on validation; the first row is float32. Nothing is packed."""
    source = Source(order.checkpoint, order.split, order.data)
    images, targets = source.part(source.split.validation, "validation")
    calibration = source.calibration_inputs(order.calibration_photos)
    with tempfile.TemporaryDirectory(prefix="smartbin-export-") as folder:
        fp32, int8 = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        say(f"float32 graph: logits within {to_onnx(source.checkpoint, fp32):.1e} of torch")
        reference = logits_of(fp32, images, what="fp32")
        yield _trial("float32", fp32, reference, reference, targets)
        for name, recipe in RECIPES.items():
            quantize(fp32, int8, calibration, recipe)
            yield _trial(name, int8, logits_of(int8, images, what=name), reference, targets)


def _trial(
    name: str, graph: Path, logits: NDArray[np.float32], reference: NDArray[np.float32], targets: NDArray[np.int64]
) -> Trial:
    return Trial(
        name, right_of(logits, targets), len(targets), right_of(logits, reference.argmax(axis=1)),
        float(np.sqrt(np.mean((logits - reference) ** 2))), graph.stat().st_size,
    )  # fmt: skip
