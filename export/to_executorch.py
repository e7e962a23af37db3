"""From a checkpoint to model.pte, the program that ExecuTorch runs on phones, and into a bundle with it.

    image (1, size, size, 3) uint8 RGB ─► the network of export/to_onnx.py ─► logits (1, K), class_maps (1, K, h, w)

XNNPACK takes the whole network but for trifles at its ends: the transposition and cast of the picture, and the mean of
the maps. It works channels-last inside and turns pictures and weights by itself: weights given to it channels-last are
refused; a transposition elsewhere in the graph, or a picture marked channels-last, made no difference in time.

int8 is made by PyTorch 2's export quantisation with XNNPACK's own quantiser: activations in eight bits, ranges from
histograms (the quantiser's default); weights symmetric, in eight bits per output channel. Normalisation and head stay
float32, as in model.onnx.
"""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from edge.bundle import Bundle, load_bundle, self_test, sha256_of, write_manifest
from edge.bundle.manifest import Artefact, Manifest
from edge.bundle.signature import SIGNATURE
from edge.engines.executorch import FILE, ExecuTorchEngine
from edge.errors import BundleError, ConfigError
from export.checkpoint import Checkpoint
from export.pack import FP32_TOLERANCE, TOLERANCE_FACTOR, replacing
from export.photos import check_data, choose_for_calibration, find_data, load_inputs, read_split
from export.to_onnx import CHECK_TOLERANCE, BinNetwork


class TrainingPhotographs:
    """Photographs to find int8 ranges on. They can be had from a split's training part only, and from no array: ranges
    of noise, or of photographs that judge the result, are ranges of something else.

    images: (N, size, size, 3) uint8 RGB, as evenly from all classes as there are enough of each.

    Raises:
        ConfigError: the split or the photographs cannot be used, or are not those of the checkpoint.
    """

    def __init__(self, checkpoint: Checkpoint, split: Path, data: Path | None, count: int) -> None:
        header = checkpoint.header
        names = choose_for_calibration(read_split(split).train, count)
        root = find_data(data)
        check_data(root, header.labels, header.provenance.data_sha256)
        self.images = load_inputs(root, names, header.preprocessing, what="calibration")


def lower_fp32(checkpoint: Checkpoint) -> bytes:
    """The network in float32, as the content of model.pte.

    Raises:
        ConfigError: ExecuTorch is not installed.
    """
    _check_installed()
    with _quietly():
        return _lower(_network(checkpoint), _example(checkpoint))


def lower_int8(checkpoint: Checkpoint, photographs: TrainingPhotographs) -> bytes:
    """The network in int8, as the content of model.pte.

    Raises:
        ConfigError: ExecuTorch is not installed.
    """
    _check_installed()
    with _quietly():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
        quantizer.set_filter_function(_in_body)
        example = _example(checkpoint)
        observed = prepare_pt2e(torch.export.export(_network(checkpoint), example).module(), quantizer)
        with torch.no_grad():
            for image in tqdm(photographs.images, desc="int8 ranges", unit="photo", leave=False):
                observed(torch.from_numpy(image[np.newaxis]))
        return _lower(convert_pt2e(observed), example)


def _check_installed() -> None:
    if find_spec("executorch") is None:
        raise ConfigError("executorch is not installed; model.pte is made with it: pip install executorch==1.5.1")


def _network(checkpoint: Checkpoint) -> BinNetwork:
    return BinNetwork(checkpoint.network, checkpoint.header).eval()


def _example(checkpoint: Checkpoint) -> tuple[Tensor]:
    size_px = checkpoint.header.preprocessing.size_px
    return (torch.zeros(1, size_px, size_px, 3, dtype=torch.uint8),)


def _in_body(node: torch.fx.Node) -> bool:
    """Whether the quantiser may have this node: it asks for each operation of a pattern and for its weights."""
    if node.op == "get_attr":  # weights: they follow the operation that uses them
        return True
    modules = node.meta.get("nn_module_stack", {}).values()  # (path, class) from the network down to the node
    return any(path.split(".")[0] == "body" for path, _ in modules)


def _lower(network: torch.nn.Module, example: tuple[Tensor]) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(network, example)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    return bytes(lowered.to_executorch().buffer)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the libraries' notes to their own developers."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


# --- into the bundle -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Added:
    """The bundle with model.pte in it. difference: its largest from the golden logits. unsigned: a signature was
    dropped."""

    bundle: Bundle
    precision: Literal["fp32", "int8"]
    difference: float
    tolerance_before: float | None
    unsigned: bool

    @property
    def tolerance(self) -> float:
        """The largest difference that an engine of this precision may show from now on."""
        return self.bundle.tolerance_of(self.precision)


def check_pair(bundle: Bundle, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint that the bundle was not made from.

    Raises:
        ConfigError: other labels or preprocessing, or other logits on the golden pictures.
    """
    header, manifest = checkpoint.header, bundle.manifest
    if list(header.labels) != manifest.labels or header.preprocessing != manifest.preprocessing:
        raise ConfigError(
            f"{checkpoint.path}: labels {list(header.labels)}, {header.preprocessing}; the bundle {bundle.path} has "
            f"{manifest.labels}, {manifest.preprocessing}; give the checkpoint it was made from"
        )
    difference = float(np.abs(checkpoint.reference_logits(bundle.golden.images) - bundle.golden.logits).max())
    if not difference <= CHECK_TOLERANCE:  # so written, NaN is refused too
        raise ConfigError(
            f"{checkpoint.path}: its logits on the golden pictures of {bundle.path} differ by {difference:.3g} from "
            f"those in it, allowed {CHECK_TOLERANCE}; give the checkpoint it was made from"
        )


def add_to_bundle(bundle: Bundle, program: bytes, precision: Literal["fp32", "int8"]) -> Added:
    """Put model.pte into the bundle's folder; the old bundle stays as it was unless the new one passes its self-test.

    A signature is over the manifest's bytes: it does not fit the changed manifest, and is dropped.

    Raises:
        BundleError: the program is not one that the bin would accept, or too far off for the golden set to judge it.
    """
    before = bundle.manifest.golden_tolerance.get(precision)
    with replacing(bundle.path) as folder:
        shutil.copytree(bundle.path, folder, dirs_exist_ok=True)
        unsigned = (folder / SIGNATURE).exists()
        (folder / SIGNATURE).unlink(missing_ok=True)
        (folder / FILE).write_bytes(program)
        artefact = Artefact(
            sha256=sha256_of(folder / FILE), size_bytes=len(program), runtime="executorch", precision=precision
        )
        with_program = bundle.manifest.model_copy(update={"artefacts": {**bundle.manifest.artefacts, FILE: artefact}})
        with ExecuTorchEngine(Bundle(folder, with_program, bundle.golden)) as engine:
            # Its largest difference, whatever is allowed: only a wrong top-1 or a number that is none is refused here.
            difference = self_test(engine, bundle.golden, math.inf)
        tolerance = tolerance_for(bundle, precision, difference)
        write_manifest(_with_tolerance(with_program, precision, tolerance), folder / "manifest.json")
        packed = load_bundle(folder)
        with ExecuTorchEngine(packed) as engine:
            self_test(engine, packed.golden, packed.tolerance_of(precision))
    added = Bundle(bundle.path, packed.manifest, packed.golden)
    return Added(added, precision, difference, before, unsigned)


def tolerance_for(bundle: Bundle, precision: Literal["fp32", "int8"], difference: float) -> float:
    """What the manifest must allow: for int8 twice the difference seen, as for model.onnx, or what it allows already.

    Raises:
        BundleError: the best two labels of a golden picture are closer than that: a sound engine could swap them.
    """
    known = bundle.manifest.golden_tolerance.get(precision, 0.0)
    if precision == "fp32":
        return known or FP32_TOLERANCE
    needed = math.ceil(100 * TOLERANCE_FACTOR * difference) / 100
    if needed <= known:
        return known
    best_two = np.sort(bundle.golden.logits, axis=1)[:, -2:]  # (N, 2)
    margin = float((best_two[:, 1] - best_two[:, 0]).min())
    if margin <= needed:
        raise BundleError(
            f"{bundle.path}: {FILE} in int8 is off by {difference:.3f}, so that {needed} must be allowed, and the best "
            f"two labels of a golden picture are only {margin:.3f} apart; calibrate on more photographs, or give "
            "--precision fp32"
        )
    return needed


def _with_tolerance(manifest: Manifest, precision: Literal["fp32", "int8"], tolerance: float) -> Manifest:
    return manifest.model_copy(update={"golden_tolerance": {**manifest.golden_tolerance, precision: tolerance}})
