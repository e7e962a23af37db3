"""OpenVINO answers as ONNX Runtime does, and runs nothing but the bundle's graph. Skipped where it is not installed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import Bundle, load_bundle, self_test
from edge.engines.cache import EngineCache
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.engines.openvino import OpenVinoEngine, missing
from edge.errors import BundleError
from tests.bundles import with_file

openvino = pytest.importorskip("openvino")


SHIPPED = Path(__file__).parents[3] / "models" / "resnet50-trashnet"
OPENED = """
import sys
from pathlib import Path
from edge.bundle import load_bundle
from edge.engines.openvino import OpenVinoEngine
with OpenVinoEngine(load_bundle(Path(sys.argv[1])), threads=1):
    pass
"""


@pytest.fixture(scope="module", autouse=True)
def runs_here() -> None:
    """On a processor that qemu emulates its compiler crashes, and would take the whole run along (docs/arm64.md)."""
    ended = subprocess.run([sys.executable, "-c", OPENED, str(SHIPPED)], cwd=SHIPPED.parents[1]).returncode
    if ended < 0:
        pytest.skip(f"OpenVINO is ended by signal {-ended} on this processor")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(SHIPPED)


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Iterator[OpenVinoEngine]:
    with OpenVinoEngine(bundle, threads=1) as engine:
        yield engine


def count(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """A list that grows with every call of Core's method `name`."""
    calls: list[str] = []
    genuine = getattr(openvino.Core, name)

    def counted(self: object, *args: object, **options: object) -> object:
        calls.append(name)
        return genuine(self, *args, **options)

    monkeypatch.setattr(openvino.Core, name, counted)
    return calls


def with_labels(bundle: Bundle, labels: list[str]) -> Bundle:
    return dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"labels": labels}))


# --- answers ---------------------------------------------------------------------------------------------------------


def test_golden_self_test_is_passed_within_the_bundles_tolerance(bundle: Bundle, engine: OpenVinoEngine) -> None:
    assert (engine.name, engine.precision) == ("openvino-int8", "int8")
    assert self_test(engine, bundle.golden, bundle.tolerance_of("int8")) > 0


def test_answers_are_onnx_runtimes_but_for_rounding(bundle: Bundle, engine: OpenVinoEngine) -> None:
    with OnnxRuntimeEngine(bundle, threads=1) as other:
        for image in bundle.golden.images[:, np.newaxis]:
            (logits, maps), (expected, expected_maps) = engine.infer(image), other.infer(image)
            assert (logits.dtype, maps.dtype) == (np.float32, np.float32)
            assert (logits.shape, maps.shape) == (expected.shape, expected_maps.shape)
            assert logits.argmax() == expected.argmax()
            assert np.abs(logits - expected).max() < 0.15  # 0.07 was seen; the same weights, rounded elsewhere
            assert np.corrcoef(maps.ravel(), expected_maps.ravel())[0, 1] > 0.99


def test_class_maps_mean_is_logits(bundle: Bundle, engine: OpenVinoEngine) -> None:
    logits, class_maps = engine.infer(bundle.golden.images[:1])
    assert np.abs(class_maps.mean(axis=(2, 3)) - logits).max() < 1e-5


def test_several_pictures_are_answered_as_one_by_one(bundle: Bundle, engine: OpenVinoEngine) -> None:
    logits, class_maps = engine.infer(bundle.golden.images[:3])
    assert (logits.shape, class_maps.shape[:2]) == ((3, 6), (3, 6))
    for i in range(3):
        single = engine.infer(bundle.golden.images[i : i + 1])
        assert np.array_equal(single[0][0], logits[i]) and np.array_equal(single[1][0], class_maps[i])


def test_an_answer_does_not_change_when_the_next_picture_comes(bundle: Bundle, engine: OpenVinoEngine) -> None:
    answer = engine.infer(bundle.golden.images[:1])
    before = [array.copy() for array in answer]
    engine.infer(bundle.golden.images[1:2])
    assert all(np.array_equal(array, copy) for array, copy in zip(answer, before, strict=True))


def test_what_is_not_int8_is_computed_in_float32_on_every_processor(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    genuine = openvino.Core.compile_model

    def remember(self: object, *args: object) -> object:
        compiled.append(genuine(self, *args))
        return compiled[-1]

    monkeypatch.setattr(openvino.Core, "compile_model", remember)
    with OpenVinoEngine(bundle, threads=1):
        pass
    assert compiled[0].get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert compiled[0].get_property("INFERENCE_NUM_THREADS") == 1
    assert [list(port.shape) for port in compiled[0].inputs] == [[1, *bundle.golden.images.shape[1:]]]


def test_closed_engine_says_so_and_closes_twice(bundle: Bundle) -> None:
    engine = OpenVinoEngine(bundle, threads=1)
    with engine:
        pass
    engine.__exit__()
    with pytest.raises(RuntimeError, match="not open"):
        engine.infer(bundle.golden.images[:1])


# --- refusals --------------------------------------------------------------------------------------------------------


def test_library_that_is_not_there_is_named_with_what_to_type(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(bundle) is None
    monkeypatch.setattr("edge.engines.openvino.find_spec", lambda name: None)
    assert missing(bundle) == "the library is not installed (pip install openvino)"
    with pytest.raises(BundleError, match="openvino-int8: the library is not installed"), OpenVinoEngine(bundle):
        pass


def test_other_labels_than_the_graphs_are_refused_whatever_the_cache_holds(bundle: Bundle, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    with OpenVinoEngine(bundle, threads=1, cache=cache):
        pass
    other = with_labels(bundle, bundle.manifest.labels[::-1])
    with pytest.raises(BundleError, match="the bundle is mislabelled"):
        OpenVinoEngine(other, threads=1, cache=cache).__enter__()


def test_file_that_is_no_graph_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: OpenVINO cannot load it"):
        OpenVinoEngine(with_file(bundle, b"not a graph", tmp_path)).__enter__()


def test_graph_with_other_inputs_and_outputs_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    graph = bundle.model_path.read_bytes()
    assert graph.count(b"class_maps") > 1
    other = with_file(bundle, graph.replace(b"class_maps", b"other_maps"), tmp_path)
    with pytest.raises(BundleError, match=r"outputs \['logits', 'other_maps'\]; expected image → logits, class_maps"):
        OpenVinoEngine(other).__enter__()


# --- cache -----------------------------------------------------------------------------------------------------------


def test_second_opening_takes_the_compiled_model_and_gives_the_same_answers(
    bundle: Bundle, engine: OpenVinoEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EngineCache(tmp_path)
    compiled, imported = count(monkeypatch, "compile_model"), count(monkeypatch, "import_model")
    for _ in range(2):
        with OpenVinoEngine(bundle, threads=1, cache=cache) as again:
            assert np.array_equal(again.infer(bundle.golden.images[:1])[0], engine.infer(bundle.golden.images[:1])[0])
    assert (len(compiled), len(imported)) == (1, 1)


@pytest.mark.parametrize("change", ["a byte", "the version", "the threads", "the processor"])
def test_any_difference_builds_again(
    change: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EngineCache(tmp_path)
    with OpenVinoEngine(bundle, threads=1, cache=cache):
        pass
    (blob,) = tmp_path.glob("openvino-*.blob")
    if change == "a byte":
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 1
        blob.write_bytes(content)
    if change == "the version":
        monkeypatch.setattr(openvino, "__version__", "2099.1")
    if change == "the processor":
        monkeypatch.setattr("edge.engines.cache.processor", lambda: "another one")
    compiled, imported = count(monkeypatch, "compile_model"), count(monkeypatch, "import_model")
    with OpenVinoEngine(bundle, threads=2 if change == "the threads" else 1, cache=cache):
        pass
    assert (len(compiled), len(imported)) == (1, 0)


def test_compiled_model_that_openvino_refuses_is_built_again(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = EngineCache(tmp_path)
    with OpenVinoEngine(bundle, threads=1, cache=cache):
        pass
    (note,) = tmp_path.glob("*.json")
    document = json.loads(note.read_text())
    blob = note.with_suffix("")
    blob.write_bytes(b"of another build")
    document["sha256"] = hashlib.sha256(b"of another build").hexdigest()
    note.write_text(json.dumps(document))
    with caplog.at_level(logging.WARNING), OpenVinoEngine(bundle, threads=1, cache=cache) as engine:
        engine.infer(bundle.golden.images[:1])
    assert "refuses what is in the cache, compiling again" in caplog.text
    assert blob.stat().st_size > 1e6


def test_cache_that_cannot_be_written_costs_a_warning_and_no_more(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "taken"
    folder.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING), OpenVinoEngine(bundle, threads=1, cache=EngineCache(folder)) as engine:
        engine.infer(bundle.golden.images[:1])
    assert "cannot keep the compiled model" in caplog.text
