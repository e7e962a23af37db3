"""From the float32 graph to its static int8 form: QuantizeLinear/DequantizeLinear pairs, ranges found on photographs.

Chosen, and why:
- Activations uint8, weights int8 per output channel, symmetric, in eight bits. On x86 without VNNI the usual kernels
  multiply with vpmaddubsw, which adds two uint8·int8 products into a saturating int16: 2·255·127 = 64,770 does not fit.
  There edge/engines/onnxruntime.py has ONNX Runtime take its exact kernels. Seven bits ("reduce_range": 2·255·64 =
  32,640 fits) are for runtimes that cannot; they answer otherwise than float32 twice as often (docs/bundle.md).
- Normalisation and head stay float: the head is 0.02 % of the work, and its logits are compared with thresholds.
- Ranges: see RECIPES and docs/bundle.md, where the others that were tried stand with their results.
"""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from edge.errors import BundleError
from export.to_onnx import add_metadata

BATCH = 8
QUANTIZED_OPS = ["Conv", "Relu", "Clip", "Add", "MaxPool"]


@dataclass(frozen=True)
class Recipe:
    """How the ranges are found and what stays float."""

    ranges: Literal["minmax", "moving-average", "percentile", "entropy"]
    percentile: float = 99.99
    weight_bits: Literal[7, 8] = 8
    float_stem: bool = False

    def describe(self, photos: int) -> str:
        """One line for the manifest."""
        ranges = f"{self.ranges} {self.percentile}" if self.ranges == "percentile" else self.ranges
        kept = "normalisation, stem and head" if self.float_stem else "normalisation and head"
        return (
            f"static QDQ, {ranges} ranges over {photos} class-balanced training photographs; uint8 activations, "
            f"{self.weight_bits}-bit weights per channel; {kept} in float32"
        )


RECIPES: dict[str, Recipe] = {
    "minmax": Recipe("minmax"),
    "minmax-7bit": Recipe("minmax", weight_bits=7),
    "minmax-float-stem": Recipe("minmax", float_stem=True),
    "moving-average": Recipe("moving-average"),
    "percentile-99.99": Recipe("percentile", 99.99),
    "percentile-99.999": Recipe("percentile", 99.999),
    "entropy": Recipe("entropy"),
}
CHOSEN = "minmax"


class Photographs(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    """Feeds (N, size, size, 3) uint8 RGB to ONNX Runtime's calibrators, BATCH at a time, with a progress bar."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        whole = len(images) // BATCH * BATCH or len(images)
        self._batches = [images[start : start + BATCH] for start in range(0, whole, BATCH)]
        self._bar = tqdm(total=len(self._batches), desc="int8 ranges", unit="batch", leave=False)
        self.set_range(0, len(self._batches))

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Feed only these batches next."""
        self._rest: Iterator[NDArray[np.uint8]] = iter(self._batches[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch by input name; None after the last."""
        batch = next(self._rest, None)
        if batch is None:
            return None
        self._bar.update()
        return {"image": batch}


def quantize(source: Path, target: Path, images: NDArray[np.uint8], recipe: Recipe) -> None:
    """Write the int8 form of the float32 graph `source` to `target`; images: (N, size, size, 3) uint8 for the ranges.

    Raises:
        BundleError: the result is not a valid graph, or has other outputs than the source.
    """
    float_graph = onnx.load(source)
    with tempfile.TemporaryDirectory(prefix="smartbin-int8-") as folder, _quietly():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared)
        quantize_static(
            prepared, target, Photographs(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTIZED_OPS, nodes_to_exclude=_float_nodes(graph, recipe),
            per_channel=True, reduce_range=recipe.weight_bits == 7,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=_METHODS[recipe.ranges], extra_options=_options(recipe),
        )  # fmt: skip
    quantized = onnx.load(target)
    add_metadata(quantized, {entry.key: entry.value for entry in float_graph.metadata_props})
    onnx.checker.check_model(quantized, full_check=True)
    names = [output.name for output in quantized.graph.output]
    if names != [output.name for output in float_graph.graph.output]:
        raise BundleError(f"{target}: quantisation changed the outputs to {names}; not exported")
    onnx.save(quantized, target)


_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "moving-average": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}


def _options(recipe: Recipe) -> dict[str, Any]:
    # One batch at a time: the histogram calibrators otherwise keep every activation of every photograph in memory.
    options: dict[str, Any] = {"CalibStridedMinMax": 1}
    if recipe.ranges == "moving-average":
        options |= {"CalibMovingAverage": True, "CalibMovingAverageConstant": 0.05}
    if recipe.ranges == "percentile":
        options["CalibPercentile"] = recipe.percentile
    return options


def _float_nodes(graph: onnx.ModelProto, recipe: Recipe) -> list[str]:
    """Names of the nodes that stay float: all before the first convolution, the head, and the stem if so asked."""
    nodes = list(graph.graph.node)
    first = next(i for i, node in enumerate(nodes) if node.op_type == "Conv")
    kept = nodes[: first + 2] if recipe.float_stem else nodes[:first]
    kept += [node for node in nodes if "class_maps" in node.output or "class_maps" in node.input]
    return [node.name for node in kept]


@contextmanager
def _quietly() -> Iterator[None]:
    """Without ONNX Runtime's remarks on the root logger about preparation, and its histograms' prints."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
