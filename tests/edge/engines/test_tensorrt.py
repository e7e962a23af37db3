"""The TensorRT engine on a machine that stands in for one with a GPU: recording_tensorrt.py says by which rules."""

from __future__ import annotations

import dataclasses
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import Bundle, load_bundle, self_test
from edge.engines.cache import EngineCache
from edge.engines.tensorrt import TensorRtEngine, missing
from edge.engines.tensorrt_build import MAX_PICTURES, read_graph
from edge.errors import BundleError
from tests.bundles import with_file
from tests.edge.engines.recording_tensorrt import Machine, refusals, session


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(Path(__file__).parents[3] / "models" / "resnet50-trashnet")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Jetson Orin with JetPack 6.2."""
    return Machine().install(monkeypatch)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def changed(bundle: Bundle, **fields: Any) -> Bundle:
    return dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update=fields))


def as_float(bundle: Bundle) -> Bundle:
    """The bundle, whose manifest calls its graph a float one."""
    artefacts = dict(bundle.manifest.artefacts)
    artefacts["model.onnx"] = artefacts["model.onnx"].model_copy(update={"precision": "fp32"})
    return changed(bundle, artefacts=artefacts)


# --- the graph -------------------------------------------------------------------------------------------------------


def test_shipped_graph_is_refused_as_it_is_and_taken_as_it_is_rewritten(bundle: Bundle) -> None:
    reasons = {why for _, _, why in refusals(bundle.model_path.read_bytes())}
    assert len(reasons) == 3  # zero points, int32 biases, pixels that are turned before they are cast
    assert refusals(read_graph(bundle)) == []


def test_rewritten_graph_keeps_the_answers_within_the_int8_tolerance(bundle: Bundle) -> None:
    images, reference = bundle.golden.images, bundle.golden.logits
    answers = [
        session(read_graph(bundle)).run(["logits", "class_maps"], {"image": image[np.newaxis]}) for image in images
    ]
    logits = np.concatenate([logits for logits, _ in answers])
    assert np.abs(logits - reference).max() < bundle.manifest.golden_tolerance["int8"]
    assert (logits.argmax(axis=1) == reference.argmax(axis=1)).all()
    for one, maps in answers:
        np.testing.assert_allclose(maps.mean(axis=(2, 3)), one, atol=1e-4)


@pytest.mark.parametrize("cut", [1, 1000, -7])
def test_file_that_is_no_graph_is_refused(bundle: Bundle, tmp_path: Path, cut: int) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: not a graph for TensorRT"):
        read_graph(with_file(bundle, bundle.model_path.read_bytes()[:cut], tmp_path))


def test_text_is_no_graph(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: not a graph for TensorRT"):
        read_graph(with_file(bundle, b"not a graph", tmp_path))


def test_graph_with_other_labels_than_the_manifests_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="the bundle is mislabelled"):
        read_graph(changed(bundle, labels=bundle.manifest.labels[::-1]))


# --- answers ---------------------------------------------------------------------------------------------------------


def test_golden_self_test_is_passed_and_nothing_is_left_on_the_gpu(bundle: Bundle, machine: Machine) -> None:
    with TensorRtEngine(bundle) as engine:
        assert (engine.name, engine.precision) == ("tensorrt-int8", "int8")
        assert self_test(engine, bundle.golden, bundle.manifest.golden_tolerance["int8"]) > 0
        assert machine.held == 7  # a stream, and for each of three tensors a buffer on either side
    assert machine.held == 0


def test_int8_graph_is_built_strongly_typed_without_precision_flags(bundle: Bundle, machine: Machine) -> None:
    with TensorRtEngine(bundle):
        assert machine.flags == {"STRONGLY_TYPED"}


def test_tensorrt_11_without_precision_flags_builds_the_int8_graph_too(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    Machine("11.4.0").install(monkeypatch)
    with TensorRtEngine(bundle) as engine:
        assert self_test(engine, bundle.golden, bundle.manifest.golden_tolerance["int8"]) > 0


def test_many_pictures_are_run_a_few_at_a_time_in_their_order(bundle: Bundle, machine: Machine) -> None:
    images = bundle.golden.images[np.arange(MAX_PICTURES + 1) % len(bundle.golden.images)]
    with TensorRtEngine(bundle) as engine:
        logits, class_maps = engine.infer(images)
        assert machine.calls.count("execute") == 2
        one_by_one = [engine.infer(image[np.newaxis]) for image in images]
    np.testing.assert_allclose(logits, np.concatenate([one for one, _ in one_by_one]), atol=1e-3)
    np.testing.assert_allclose(class_maps, np.concatenate([maps for _, maps in one_by_one]), atol=2e-2)
    assert logits.shape == (MAX_PICTURES + 1, 6) and class_maps.shape[:2] == (MAX_PICTURES + 1, 6)
    assert logits.dtype == class_maps.dtype == np.float32


def test_an_answer_stays_what_it_was_when_the_next_picture_is_run(bundle: Bundle, machine: Machine) -> None:
    with TensorRtEngine(bundle) as engine:
        first, maps = engine.infer(bundle.golden.images[:1])
        kept, kept_maps = first.copy(), maps.copy()
        engine.infer(bundle.golden.images[1:2])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(maps, kept_maps)


def test_read_only_and_strided_pictures_are_taken(bundle: Bundle, machine: Machine) -> None:
    mirrored = bundle.golden.images[:1, :, ::-1]
    mirrored.flags.writeable = False
    with TensorRtEngine(bundle) as engine:
        np.testing.assert_array_equal(engine.infer(mirrored)[0], engine.infer(mirrored.copy())[0])


@pytest.mark.parametrize("shape", [(1, 192, 192, 1), (1, 64, 64, 3), (192, 192, 3)])
def test_pictures_of_another_shape_are_refused(bundle: Bundle, machine: Machine, shape: tuple[int, ...]) -> None:
    with TensorRtEngine(bundle) as engine, pytest.raises(ValueError, match="images are"):
        engine.infer(np.zeros(shape, np.uint8))


def test_float_pictures_are_refused(bundle: Bundle, machine: Machine) -> None:
    with TensorRtEngine(bundle) as engine, pytest.raises(ValueError, match="float32"):
        engine.infer(bundle.golden.images[:1].astype(np.float32))  # type: ignore[arg-type]


# --- what is held, and given back ------------------------------------------------------------------------------------


def test_closed_engine_refuses_to_run_and_may_be_closed_twice(bundle: Bundle, machine: Machine) -> None:
    engine = TensorRtEngine(bundle)
    with engine:
        pass
    engine.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="not open"):
        engine.infer(bundle.golden.images[:1])
    assert machine.held == 0


def test_buffers_are_allocated_once_however_many_pictures_are_run(bundle: Bundle, machine: Machine) -> None:
    with TensorRtEngine(bundle) as engine:
        for _ in range(3):
            engine.infer(bundle.golden.images[:1])
    assert [machine.calls.count(name) for name in ("cudaMalloc", "cudaMallocHost", "cudaStreamCreate")] == [3, 3, 1]
    assert [machine.calls.count(name) for name in ("cudaFree", "cudaFreeHost", "cudaStreamDestroy")] == [3, 3, 1]


@pytest.mark.parametrize("call", ["cudaMemcpyAsync", "execute", "cudaStreamSynchronize"])
def test_everything_is_given_back_once_when_a_picture_fails(bundle: Bundle, machine: Machine, call: str) -> None:
    machine.fails = {call: 1}
    with (
        pytest.raises(RuntimeError, match=r"CUDA: cudaErrorMemoryAllocation|does not run"),
        TensorRtEngine(bundle) as engine,
    ):
        engine.infer(bundle.golden.images[:1])
    assert machine.held == 0


@pytest.mark.parametrize("which", [1, 2, 3])
@pytest.mark.parametrize("call", ["cudaMalloc", "cudaMallocHost"])
def test_memory_that_is_not_there_is_told_and_the_rest_is_given_back(
    bundle: Bundle, machine: Machine, call: str, which: int
) -> None:
    machine.fails = {call: which}
    with pytest.raises(BundleError, match="tensorrt-int8: CUDA: cudaErrorMemoryAllocation"), TensorRtEngine(bundle):
        pass
    assert machine.held == 0


def test_context_that_tensorrt_does_not_give_is_told(bundle: Bundle, machine: Machine) -> None:
    machine.contexts = False
    with pytest.raises(BundleError, match="no execution context"), TensorRtEngine(bundle):
        pass


# --- what is kept ----------------------------------------------------------------------------------------------------


def built(bundle: Bundle, machine: Machine, cache: EngineCache) -> int:
    """How many engines the machine builds to open this one."""
    before = machine.calls.count("build")
    with TensorRtEngine(bundle, cache=cache) as engine:
        engine.infer(bundle.golden.images[:1])
    return machine.calls.count("build") - before


def test_engine_is_built_once_and_then_loaded(bundle: Bundle, machine: Machine, cache: EngineCache) -> None:
    assert [built(bundle, machine, cache) for _ in range(2)] == [1, 0]


def test_without_a_cache_folder_it_is_built_each_time(bundle: Bundle, machine: Machine) -> None:
    assert [built(bundle, machine, EngineCache(None)) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("change", [{"version": "10.4.0"}, {"name": "NVIDIA GeForce RTX 4060"}, {"driver": 13000}])
def test_engine_of_another_version_gpu_or_driver_is_not_even_tried(
    bundle: Bundle, machine: Machine, cache: EngineCache, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    built(bundle, machine, cache)
    other = Machine(change.get("version", "10.3.0"))
    for name, value in change.items():
        setattr(other, name, value)
    assert built(bundle, other.install(monkeypatch), cache) == 1
    assert other.calls.count("deserialize") == 1  # its own
    assert other.timings_given == [b""]


def test_engine_with_a_changed_byte_is_not_even_tried(bundle: Bundle, machine: Machine, cache: EngineCache) -> None:
    built(bundle, machine, cache)
    assert cache.folder is not None
    (file,) = cache.folder.glob("*.engine")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    before = machine.calls.count("deserialize")
    assert built(bundle, machine, cache) == 1
    assert machine.calls.count("deserialize") - before == 1


def test_engine_of_a_bundle_with_other_labels_is_not_loaded(
    bundle: Bundle, machine: Machine, cache: EngineCache
) -> None:
    built(bundle, machine, cache)
    with pytest.raises(BundleError, match="mislabelled"):
        built(changed(bundle, labels=bundle.manifest.labels[::-1]), machine, cache)


def test_engine_that_tensorrt_refuses_is_built_again_and_replaced(
    bundle: Bundle, machine: Machine, cache: EngineCache, caplog: pytest.LogCaptureFixture
) -> None:
    built(bundle, machine, cache)
    machine.refuses = 1
    with caplog.at_level(logging.WARNING):
        assert [built(bundle, machine, cache) for _ in range(2)] == [1, 0]
    assert "not compatible with this version" in caplog.text


def test_engine_that_tensorrt_refuses_twice_ends_in_an_error(
    bundle: Bundle, machine: Machine, cache: EngineCache
) -> None:
    built(bundle, machine, cache)
    machine.refuses = 2
    with pytest.raises(
        BundleError, match="refuses the engine it has just built: The engine plan file is not compatible"
    ):
        built(bundle, machine, cache)


def test_timings_are_kept_for_the_next_build_of_any_bundle(
    bundle: Bundle, machine: Machine, cache: EngineCache
) -> None:
    built(bundle, machine, cache)
    assert cache.folder is not None
    for file in cache.folder.glob("*.engine"):
        file.unlink()
    built(bundle, machine, cache)
    first, second = machine.timings_given
    assert first == b"" and second != b""


def test_folder_that_cannot_be_written_costs_the_next_start_and_no_more(
    bundle: Bundle, machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        assert built(bundle, machine, EngineCache(tmp_path / "file" / "engines")) == 1
    assert "the next start builds it again" in caplog.text


# --- builds that fail ------------------------------------------------------------------------------------------------


def test_builder_that_finds_no_engine_is_told_with_tensorrts_words(bundle: Bundle, machine: Machine) -> None:
    machine.builds = False
    with pytest.raises(BundleError, match="built no engine: Could not find any implementation"), TensorRtEngine(bundle):
        pass


def test_every_complaint_of_the_parser_is_told(
    bundle: Bundle, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.engines.tensorrt_build.symmetric", lambda model: model)
    with pytest.raises(BundleError) as caught, TensorRtEngine(bundle):
        pass
    assert "TensorRT 10.3.0 cannot read it: DequantizeLinear " in str(caught.value)
    assert "Non-zero zero point" in str(caught.value) and "must have type" in str(caught.value)


def test_ctrl_c_during_the_build_stops_it_and_is_passed_on(
    bundle: Bundle, machine: Machine, cache: EngineCache
) -> None:
    machine.interrupted = True
    with pytest.raises(KeyboardInterrupt), TensorRtEngine(bundle, cache=cache):
        pass
    assert "build stopped" in machine.calls
    assert machine.held == 0 and cache.folder is not None and not cache.folder.exists()


# --- machines that cannot --------------------------------------------------------------------------------------------


def test_machine_with_gpu_and_libraries_misses_nothing(bundle: Bundle, machine: Machine) -> None:
    assert missing(bundle) is None


@pytest.mark.parametrize("module", ["tensorrt", "cuda"])
def test_library_that_is_not_installed_is_named_with_the_lines_to_type(
    bundle: Bundle, machine: Machine, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.setitem(sys.modules, name, None)
    why = missing(bundle)
    assert why is not None and "python3-libnvinfer" in why and "pip install tensorrt cuda-python" in why
    with pytest.raises(BundleError, match="tensorrt-int8: the libraries are not installed"), TensorRtEngine(bundle):
        pass


@pytest.mark.parametrize(("gpus", "said"), [(None, "cudaErrorInsufficientDriver"), (0, "no NVIDIA GPU")])
def test_machine_without_driver_or_gpu_says_so(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, gpus: int | None, said: str
) -> None:
    Machine(gpus=gpus).install(monkeypatch)
    assert said in str(missing(bundle))


def test_tensorrt_8_of_jetpack_5_is_too_old(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    Machine("8.6.2").install(monkeypatch)
    assert "TensorRT is 8.6.2, expected 10 or newer; on a Jetson with JetPack 6.1" in str(missing(bundle))


def test_float_graph_needs_a_tensorrt_that_still_makes_fp16(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    Machine("11.4.0").install(monkeypatch)
    assert "tensorrt<11" in str(missing(as_float(bundle)))


def test_float_graph_needs_a_tolerance_to_be_judged_by(bundle: Bundle, machine: Machine) -> None:
    assert "golden_tolerance has no fp16" in str(missing(as_float(bundle)))
    tolerances = {**bundle.manifest.golden_tolerance, "fp16": 0.05}
    assert missing(changed(as_float(bundle), golden_tolerance=tolerances)) is None
