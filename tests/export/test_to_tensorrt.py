"""Graphs as the exporter makes them, in TensorRT's terms: judged by onnx and ONNX Runtime."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from typer.testing import CliRunner

from edge.bundle import Bundle, Golden, Manifest
from edge.bundle.manifest import Artefact, Novelty, Provenance
from edge.bundle.preprocess import Preprocessing
from edge.engines.tensorrt import TensorRtEngine
from edge.engines.tensorrt_build import symmetric
from export.commands.tensorrt import tensorrt
from tests.edge.engines.recording_tensorrt import Machine, refusals
from tests.export.samples import LABELS, SIZE_PX

SHIPPED = Path(__file__).parents[2] / "models" / "resnet50-trashnet"


def answers(graph: bytes, images: NDArray[np.uint8], *, optimised: bool = True) -> NDArray[np.float32]:
    """(N, size, size, 3) uint8 RGB → logits (N, K) float32."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"image": images})[0], np.float32)


@pytest.fixture(scope="module")
def rewritten(int8_graph: Path) -> onnx.ModelProto:
    return onnx.load_from_string(symmetric(int8_graph.read_bytes()))


def constants(graph: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def test_rewritten_graph_is_valid_onnx_with_the_same_inputs_outputs_and_notes(
    rewritten: onnx.ModelProto, int8_graph: Path
) -> None:
    onnx.checker.check_model(rewritten, full_check=True)
    source = onnx.load(int8_graph)
    for part in ("input", "output"):
        assert list(getattr(rewritten.graph, part)) == list(getattr(source.graph, part))
    assert list(rewritten.metadata_props) == list(source.metadata_props)
    assert list(rewritten.opset_import) == list(source.opset_import)


def test_all_quantisation_is_int8_around_zero_and_no_constant_is_left_over(rewritten: onnx.ModelProto) -> None:
    held = constants(rewritten)
    quantised = [node for node in rewritten.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(quantised) > 60
    assert all(held[node.input[2]].dtype == np.int8 and not held[node.input[2]].any() for node in quantised)
    assert set(held) == {name for node in rewritten.graph.node for name in node.input if name in held}


def test_each_range_holds_the_old_one(rewritten: onnx.ModelProto, int8_graph: Path) -> None:
    source, new = onnx.load(int8_graph), constants(rewritten)
    old = constants(source)
    seen = 0
    for node in source.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = float(old[node.input[1]]), int(old[node.input[2]])
            reach = 127 * float(new[f"{node.input[1]}_symmetric"])
            assert reach == pytest.approx(scale * max(zero, 255 - zero), rel=1e-6)
            seen += 1
    assert seen > 20


def test_biases_are_the_same_numbers_in_float(rewritten: onnx.ModelProto, int8_graph: Path) -> None:
    source, new = onnx.load(int8_graph), constants(rewritten)
    old = constants(source)
    biases = [
        node for node in source.graph.node if node.input and old.get(node.input[0], np.zeros(0)).dtype == np.int32
    ]
    assert len(biases) == 20  # of ResNet18's convolutions; the head is float
    for node in biases:
        np.testing.assert_allclose(new[node.output[0]], old[node.input[0]] * old[node.input[1]], rtol=1e-6)


def test_a_relu_that_quantising_had_swallowed_is_back(rewritten: onnx.ModelProto, int8_graph: Path) -> None:
    source = onnx.load(int8_graph)
    old = constants(source)
    clipped = [n for n in source.graph.node if n.op_type == "QuantizeLinear" and int(old[n.input[2]]) == 0]
    assert not [node for node in source.graph.node if node.op_type == "Relu"]
    assert len([node for node in rewritten.graph.node if node.op_type == "Relu"]) == len(clipped) > 10


@pytest.mark.parametrize("optimised", [True, False])
def test_answers_are_the_int8_graphs_but_for_a_bit_of_resolution(
    rewritten: onnx.ModelProto, int8_graph: Path, inputs: NDArray[np.uint8], optimised: bool
) -> None:
    graph = int8_graph.read_bytes()
    expected, found = answers(graph, inputs), answers(rewritten.SerializeToString(), inputs, optimised=optimised)
    spread = np.ptp(expected, axis=1).mean()
    assert np.sqrt(np.square(found - expected).mean()) < 0.05 * spread  # without the Relus it is 0.5
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9


def test_float_graph_only_casts_earlier_and_answers_the_same(fp32_graph: Path, inputs: NDArray[np.uint8]) -> None:
    graph = symmetric(fp32_graph.read_bytes())
    assert [node.op_type for node in onnx.load_from_string(graph).graph.node][:2] == ["Cast", "Transpose"]
    assert refusals(graph) == []
    np.testing.assert_array_equal(answers(graph, inputs), answers(fp32_graph.read_bytes(), inputs))


def float_bundle(graph: Path, folder: Path, inputs: NDArray[np.uint8]) -> Bundle:
    """A bundle of a float32 graph, with a tolerance for fp16."""
    (folder / "model.onnx").write_bytes(graph.read_bytes())
    preprocessing = Preprocessing(size_px=SIZE_PX, resize="squash", interpolation="area", colour="rgb")
    file = Artefact(
        sha256=hashlib.sha256(graph.read_bytes()).hexdigest(),
        size_bytes=graph.stat().st_size,
        runtime="onnxruntime",
        precision="fp32",
    )
    manifest = Manifest(
        schema=1, name="float", version="0.1.0", licence="MIT", labels=list(LABELS), preprocessing=preprocessing,
        temperature=1.0, acceptance=dict.fromkeys(LABELS, 0.9),
        novelty=Novelty(score="energy", threshold=0.0, quantile=0.98),
        golden_tolerance={"fp32": 0.001, "fp16": 0.05}, artefacts={"model.onnx": file, "golden.npz": file},
        provenance=Provenance(
            git_commit="", data_sha256="0" * 64, weights_sha256="", split="", seed=0, calibration="", metrics=[]
        ),
    )  # fmt: skip
    return Bundle(folder, manifest, Golden(inputs, answers(graph.read_bytes(), inputs), tuple(LABELS)))


def test_float_graph_is_built_with_the_fp16_flag_and_no_other(
    fp32_graph: Path, inputs: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine("10.13.3").install(monkeypatch)
    bundle = float_bundle(fp32_graph, tmp_path, inputs)
    with TensorRtEngine(bundle) as engine:
        assert (engine.name, engine.precision, machine.flags) == ("tensorrt-fp16", "fp16", {"FP16"})
        logits, class_maps = engine.infer(inputs)
    np.testing.assert_allclose(logits, bundle.golden.logits, atol=1e-4)
    assert class_maps.shape == (len(inputs), len(LABELS), SIZE_PX // 32, SIZE_PX // 32)


# --- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    import typer

    app = typer.Typer()
    app.command()(tensorrt)
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_command_builds_tests_and_says_where_the_engine_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine().install(monkeypatch)
    first, second = (run(str(SHIPPED), "--cache", str(tmp_path / "engines")) for _ in range(2))
    (file,) = (tmp_path / "engines").glob("*.engine")
    assert "tensorrt-int8: " in first and "golden pictures within" in first and str(file) in first
    assert second == first and machine.calls.count("build") == 1
