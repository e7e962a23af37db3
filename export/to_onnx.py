"""From a checkpoint to the float32 ONNX graph.

    image (N, size, size, 3) uint8 RGB ─► cast, transpose, normalise ─► ResNet body ─► 1x1 convolution
        ─► class_maps (N, K, size/32, size/32) float32 ─► mean over the map ─► logits (N, K) float32

The classifier is linear and so is average pooling, so they may change places: the classifier becomes a 1x1 convolution
over the last feature map. Its bias is inside class_maps, hence `class_maps.mean(axis=(2, 3)) == logits` exactly.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge.errors import BundleError
from export.checkpoint import Checkpoint, Header

OPSET = 18
IR_VERSION = 10
"""The oldest that holds what the graph needs, so that older ONNX Runtimes load it too."""

CHECK_TOLERANCE = 1e-3
"""The largest logit difference between the float32 graph and torch: rounding only."""


class BinNetwork(nn.Module):
    """The graph to export: image (N, size, size, 3) uint8 → logits (N, K), class_maps (N, K, h, w), float32.

    `network` is left as it is: batch norm is folded into the convolutions of a copy.
    """

    def __init__(self, network: nn.Module, header: Header) -> None:
        super().__init__()
        network = copy.deepcopy(network)
        fold_batch_norm(network)
        parts = ("conv1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        self.body = nn.Sequential(*(network.get_submodule(name) for name in parts))
        self.head = _as_convolution(network.get_submodule("fc"))
        mean = torch.tensor(header.normalisation.mean).view(1, 3, 1, 1)
        std = torch.tensor(header.normalisation.std).view(1, 3, 1, 1)
        # One multiplication and one addition: (pixel / 255 - mean) / std = pixel · scale + shift.
        self.scale, self.shift = nn.Buffer(1 / (255 * std)), nn.Buffer(-mean / std)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Tensor shapes as in the class's docstring."""
        x = image.permute(0, 3, 1, 2).float() * self.scale + self.shift  # (N, 3, size, size)
        class_maps = self.head(self.body(x))  # (N, K, h, w)
        return class_maps.mean(dim=(2, 3)), class_maps


def fold_batch_norm(network: nn.Module) -> None:
    """Fold every batch norm of a torchvision ResNet into the convolution before it, in place."""
    for module in list(network.modules()):
        children = list(module.named_children())  # a convolution and its batch norm stand side by side
        for (name, convolution), (norm_name, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, nn.Identity())


def _as_convolution(fc: nn.Module) -> nn.Conv2d:
    """Linear (C → K) as a 1x1 convolution (N, C, h, w) → (N, K, h, w)."""
    weight, bias = fc.get_parameter("weight"), fc.get_parameter("bias")  # (K, C), (K,)
    head = nn.Conv2d(weight.shape[1], weight.shape[0], kernel_size=1)
    head.load_state_dict({"weight": weight[:, :, None, None], "bias": bias})
    return head


def to_onnx(checkpoint: Checkpoint, path: Path) -> float:
    """Write the float32 graph to `path`, check it, and return its largest logit difference from torch.

    Raises:
        BundleError: the graph is not valid ONNX or does not reproduce torch.
    """
    size_px = checkpoint.header.preprocessing.size_px
    probe = probe_images(size_px)
    expected = checkpoint.reference_logits(probe)
    graph = _export(BinNetwork(checkpoint.network, checkpoint.header).eval(), size_px)
    add_metadata(graph, metadata_of(checkpoint.header))
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)
    return check_against(path, probe, expected)


def _export(network: nn.Module, size_px: int) -> onnx.ModelProto:
    example = torch.zeros(2, size_px, size_px, 3, dtype=torch.uint8)
    with _quietly():
        program = torch.onnx.export(
            network, (example,), dynamo=True, optimize=True, verbose=False, opset_version=OPSET,
            input_names=["image"], output_names=["logits", "class_maps"],
            dynamic_shapes={"image": {0: torch.export.Dim("N", min=1)}},
        )  # fmt: skip
    if program is None:
        raise BundleError("torch.onnx.export gave no graph; use the torch version that pyproject.toml names")
    graph = program.model_proto
    graph.ir_version = IR_VERSION
    _forget_sources(graph)
    return graph


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's progress prints and its notes to torch's own developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _forget_sources(graph: onnx.ModelProto) -> None:
    """Drop notes that the exporter leaves at every node: source lines with paths of the exporting machine."""
    del graph.metadata_props[:], graph.graph.metadata_props[:]
    graph.doc_string = graph.graph.doc_string = ""
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in graph.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""


def metadata_of(header: Header) -> dict[str, str]:
    """What travels inside the ONNX file itself, for whoever finds it without its manifest. Values are JSON."""
    return {
        "labels": json.dumps(header.labels),
        "preprocessing": header.preprocessing.model_dump_json(),
        "provenance": header.provenance.model_dump_json(),
    }


def add_metadata(graph: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Set the file's producer and replace its key/value notes."""
    graph.producer_name, graph.producer_version = "smartbin.export", ""
    onnx.helper.set_model_props(graph, dict(metadata))


def probe_images(size_px: int, count: int = 4) -> NDArray[np.uint8]:
    """(count, size_px, size_px, 3) uint8: coloured noise at several scales, the same on every machine."""
    rng = np.random.default_rng(0)
    images = []
    for index in range(count):
        cell = 4 ** (index % 3 + 1)
        cells = rng.integers(0, 256, (-(-size_px // cell), -(-size_px // cell), 3), np.uint8)
        images.append(cells.repeat(cell, axis=0).repeat(cell, axis=1)[:size_px, :size_px])
    return np.stack(images)


def check_against(path: Path, images: NDArray[np.uint8], expected: NDArray[np.float32]) -> float:
    """Run `images` (N, size, size, 3) together and one by one; the largest difference from `expected` (N, K).

    Raises:
        BundleError: a logit differs by more than CHECK_TOLERANCE.
    """
    session = ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    together = session.run(["logits"], {"image": images})[0]
    single = np.concatenate([session.run(["logits"], {"image": image[np.newaxis]})[0] for image in images])
    difference = float(max(np.abs(together - expected).max(), np.abs(single - expected).max()))
    if not difference <= CHECK_TOLERANCE:  # so written, NaN is refused too
        raise BundleError(f"{path}: logits differ from torch by {difference:.2e}, allowed {CHECK_TOLERANCE}")
    return difference
