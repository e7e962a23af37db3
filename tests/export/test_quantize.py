"""The int8 graph: what is quantised, what is not, and what must survive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from export.figures import logits_of
from export.quantize import RECIPES, Photographs, Recipe, quantize


def test_inputs_outputs_and_notes_are_those_of_the_float_graph(fp32_graph: Path, int8_graph: Path) -> None:
    sessions = [ort.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (fp32_graph, int8_graph)]
    for session in sessions:
        (image,) = session.get_inputs()
        assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", ["N", 64, 64, 3])
        assert [output.name for output in session.get_outputs()] == ["logits", "class_maps"]
    fp32_notes, int8_notes = (session.get_modelmeta().custom_metadata_map for session in sessions)
    assert int8_notes == fp32_notes
    assert "labels" in int8_notes


def test_file_is_about_a_quarter_as_large(fp32_graph: Path, int8_graph: Path) -> None:
    assert int8_graph.stat().st_size < 0.27 * fp32_graph.stat().st_size


def test_answers_stay_close_to_the_float_graphs(fp32_graph: Path, int8_graph: Path, inputs: NDArray[np.uint8]) -> None:
    fp32, int8 = (logits_of(path, inputs, what="test") for path in (fp32_graph, int8_graph))
    assert (fp32.argmax(axis=1) == int8.argmax(axis=1)).sum() >= 23  # of 24; two of this network's logits may be close
    assert np.abs(fp32 - int8).max() < 0.15 * np.ptp(fp32)


def test_class_maps_mean_is_logits_in_int8_too(int8_graph: Path, inputs: NDArray[np.uint8]) -> None:
    session = ort.InferenceSession(int8_graph, providers=["CPUExecutionProvider"])
    logits, class_maps = session.run(["logits", "class_maps"], {"image": inputs})
    assert np.abs(class_maps.mean(axis=(2, 3)) - logits).max() < 1e-5


def widest_weight(path: Path) -> int:
    """The largest absolute value of the convolutions' int8 weights."""
    graph = onnx.load(path).graph
    int8 = [numpy_helper.to_array(t) for t in graph.initializer if t.data_type == onnx.TensorProto.INT8]
    weights = [array for array in int8 if array.ndim == 4]
    assert len(weights) == 20  # ResNet18's convolutions, without the head
    return max(int(np.abs(array.astype(np.int16)).max()) for array in weights)


def test_weights_use_all_eight_bits_and_seven_where_a_runtime_would_saturate(
    fp32_graph: Path, int8_graph: Path, inputs: NDArray[np.uint8], tmp_path: Path
) -> None:
    assert widest_weight(int8_graph) == 127
    quantize(fp32_graph, tmp_path / "int8.onnx", inputs[:8], RECIPES["minmax-7bit"])
    # The widest pair of products that vpmaddubsw may have to add: it must fit into int16.
    assert 2 * 255 * widest_weight(tmp_path / "int8.onnx") <= 32767


def test_normalisation_and_head_stay_float(int8_graph: Path) -> None:
    graph = onnx.load(int8_graph).graph
    made_by = {name: node for node in graph.node for name in node.output}
    floats = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    head = made_by["class_maps"]
    assert head.op_type == "Conv" and set(head.input[1:]) <= floats
    scale = next(node for node in graph.node if node.op_type == "Mul")
    assert not any(made_by[name].op_type == "DequantizeLinear" for name in scale.input if name in made_by)


def test_stem_can_stay_float(fp32_graph: Path, inputs: NDArray[np.uint8], tmp_path: Path) -> None:
    quantize(fp32_graph, tmp_path / "int8.onnx", inputs[:8], Recipe("minmax", float_stem=True))
    graph = onnx.load(tmp_path / "int8.onnx").graph
    stem = next(node for node in graph.node if node.op_type == "Conv")
    assert stem.input[1] in {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}


@pytest.mark.parametrize("name", ["moving-average", "percentile-99.99", "entropy"])
def test_other_ways_to_find_ranges_work_too(
    name: str, fp32_graph: Path, inputs: NDArray[np.uint8], tmp_path: Path
) -> None:
    quantize(fp32_graph, tmp_path / "int8.onnx", inputs[:8], RECIPES[name])
    assert np.isfinite(logits_of(tmp_path / "int8.onnx", inputs[:1], what="test")).all()


def test_same_photographs_give_the_same_bytes(
    fp32_graph: Path, int8_graph: Path, inputs: NDArray[np.uint8], tmp_path: Path
) -> None:
    quantize(fp32_graph, tmp_path / "again.onnx", inputs, RECIPES["minmax"])
    assert (tmp_path / "again.onnx").read_bytes() == int8_graph.read_bytes()


def test_reader_feeds_each_photograph_once() -> None:
    images = np.arange(16 * 4 * 4 * 3, dtype=np.uint8).reshape(16, 4, 4, 3)
    reader = Photographs(images)
    fed = [batch["image"] for batch in reader]
    assert np.array_equal(np.concatenate(fed), images)
    reader.set_range(1, 2)
    assert np.array_equal(next(iter(reader))["image"], images[8:])
    assert reader.get_next() is None


def test_manifest_line_says_what_was_done() -> None:
    assert Recipe("percentile", 99.9, weight_bits=8, float_stem=True).describe(512) == (
        "static QDQ, percentile 99.9 ranges over 512 class-balanced training photographs; uint8 activations, "
        "8-bit weights per channel; normalisation, stem and head in float32"
    )
