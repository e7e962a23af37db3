"""The float32 graph says what torch says, and carries its own description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray

from edge.errors import BundleError, ConfigError
from export.checkpoint import Checkpoint, read_checkpoint
from export.to_onnx import check_against, fold_batch_norm, to_onnx
from tests.export.samples import checkpoint_content, random_resnet

SIX = ("cardboard", "glass", "metal", "paper", "plastic", "trash")


def run(path: Path, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(["logits", "class_maps"], {"image": images})
    return outputs


@pytest.fixture(scope="module")
def resnet50(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, Path]:
    """The real network with random weights, at the real size; and its graph."""
    folder = tmp_path_factory.mktemp("resnet50")
    torch.save(checkpoint_content(random_resnet("resnet50", 6), "resnet50", SIX, 224), folder / "best.pt")
    checkpoint = read_checkpoint(folder / "best.pt")
    to_onnx(checkpoint, folder / "fp32.onnx")
    return checkpoint, folder / "fp32.onnx"


@pytest.mark.parametrize("count", [1, 3])
def test_resnet50s_graph_gives_torchs_logits_for_any_batch(resnet50: tuple[Checkpoint, Path], count: int) -> None:
    checkpoint, graph = resnet50
    images = np.random.default_rng(count).integers(0, 256, (count, 224, 224, 3), np.uint8)
    logits, class_maps = run(graph, images)
    expected = checkpoint.reference_logits(images)
    assert logits.shape == (count, 6) and class_maps.shape == (count, 6, 7, 7)
    assert np.abs(logits - expected).max() < 1e-3 * max(1.0, np.abs(expected).max())


def test_logits_are_the_mean_of_the_class_maps(fp32_graph: Path, inputs: NDArray[np.uint8]) -> None:
    logits, class_maps = run(fp32_graph, inputs)
    assert class_maps.shape == (len(inputs), 3, 2, 2)
    assert np.abs(class_maps.mean(axis=(2, 3)) - logits).max() < 1e-5


def test_input_is_the_pictures_bytes_with_a_free_batch(fp32_graph: Path) -> None:
    (image,) = onnx.load(fp32_graph).graph.input
    dimensions = [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim]
    assert image.name == "image" and image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert dimensions == ["N", 64, 64, 3]


def test_file_describes_itself(fp32_graph: Path, checkpoint: Checkpoint) -> None:
    notes = {entry.key: json.loads(entry.value) for entry in onnx.load(fp32_graph).metadata_props}
    assert notes["labels"] == ["glass", "paper", "trash"]
    assert notes["preprocessing"] == checkpoint.header.preprocessing.model_dump()
    assert notes["provenance"]["data_sha256"] == checkpoint.header.provenance.data_sha256


def test_file_tells_nothing_of_the_machine_that_made_it(fp32_graph: Path) -> None:
    content = fp32_graph.read_bytes()
    for trace in (str(Path.home()), str(Path.cwd()), "site-packages", "torch/nn", "resnet.py"):
        assert trace.encode() not in content


def test_exporting_again_gives_the_same_bytes_and_leaves_the_network_alone(
    checkpoint: Checkpoint, fp32_graph: Path, tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in checkpoint.network.state_dict().items()}
    to_onnx(checkpoint, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == fp32_graph.read_bytes()
    after = checkpoint.network.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_batch_norm_is_folded_away_and_the_relu6_stem_is_kept(fp32_graph: Path) -> None:
    operators = [node.op_type for node in onnx.load(fp32_graph).graph.node]
    assert "BatchNormalization" not in operators
    assert operators.count("Clip") == 1


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_folding_removes_every_batch_norm_and_changes_no_answer(arch: str) -> None:
    network: Any = random_resnet(arch, 3)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32))
    with torch.inference_mode():
        before = network(x)
        fold_batch_norm(network)
        after = network(x)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    assert torch.allclose(before, after, rtol=1e-3, atol=1e-3)


def test_a_graph_that_differs_from_torch_is_refused(
    fp32_graph: Path, checkpoint: Checkpoint, inputs: NDArray[np.uint8]
) -> None:
    expected = checkpoint.reference_logits(inputs)
    assert check_against(fp32_graph, inputs, expected) < 1e-3
    expected[-1, 0] += 0.01
    with pytest.raises(BundleError, match=r"differ from torch by 1\.0.e-02, allowed 0\.001"):
        check_against(fp32_graph, inputs, expected)
    expected[-1, 0] = np.nan
    with pytest.raises(BundleError, match="nan"):
        check_against(fp32_graph, inputs, expected)


def test_a_pruned_network_is_read_in_its_widths_and_exported(tmp_path: Path) -> None:
    network = random_resnet("resnet50", 6)
    state = network.state_dict()
    for name, width in (("layer1.0.conv1", 32), ("layer3.2.conv2", 160)):
        norm, taker = name.replace("conv", "bn"), f"{name[:-1]}{int(name[-1]) + 1}"
        state[f"{name}.weight"] = state[f"{name}.weight"][:width]
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = state[f"{norm}.{part}"][:width]
        state[f"{taker}.weight"] = state[f"{taker}.weight"][:, :width]
    content = checkpoint_content(network, "resnet50", SIX, 64) | {"state_dict": state}
    torch.save(content, tmp_path / "best.pt")
    checkpoint = read_checkpoint(tmp_path / "best.pt")
    assert checkpoint.network.get_submodule("layer3.2.conv2").out_channels == 160
    assert to_onnx(checkpoint, tmp_path / "fp32.onnx") < 1e-3
    kernels = {
        tensor.dims[0] for tensor in onnx.load(tmp_path / "fp32.onnx").graph.initializer if len(tensor.dims) == 4
    }
    assert {32, 160} <= kernels


def test_widths_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    network = random_resnet("resnet50", 6)
    state = network.state_dict()
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][
        :32
    ]  # and the batch norm after it is left as it was
    torch.save(checkpoint_content(network, "resnet50", SIX, 64) | {"state_dict": state}, tmp_path / "best.pt")
    with pytest.raises(ConfigError, match=r"its weights are not those of resnet50: .*layer1\.0\.bn1"):
        read_checkpoint(tmp_path / "best.pt")
