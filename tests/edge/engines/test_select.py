"""The fastest engine that is right sorts; one that is not is passed over, by name; with none left nothing sorts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.bundle import Bundle, load_bundle
from edge.domain import Engine
from edge.engines import cache, kinds, onnxruntime, select, timing
from edge.engines.cache import NO_CACHE, EngineCache
from edge.engines.candidate import Candidate, NoEngine
from edge.engines.kinds import order_of
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.engines.openvino import OpenVinoEngine
from edge.engines.select import first_that_works, tune
from edge.engines.trials import Trial, recall, remember
from edge.errors import BundleError, GoldenMismatch


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(Path(__file__).parents[3] / "models" / "resnet50-trashnet")


class Stand:
    """Answers as the reference does, with `off` added to each logit, or cannot be opened."""

    precision = "int8"

    def __init__(self, name: str, bundle: Bundle, *, off: float = 0.0, broken: bool = False) -> None:
        self.name, self.opened, self.closed = name, 0, 0
        self._off, self._broken = np.float32(off), broken
        self._logits = itertools.cycle(bundle.golden.logits)

    def __enter__(self) -> Stand:
        if self._broken:
            raise BundleError(f"{self.name}: cannot be opened")
        self.opened += 1
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed += 1

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return next(self._logits)[np.newaxis] + self._off, np.zeros((1, 6, 7, 7), np.float32)


Machine = Callable[..., dict[str, Stand]]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> Machine:
    """Gives this machine the engines it is told of, as kind=how they behave, and no others."""

    def gives(**engines: dict[str, Any]) -> dict[str, Stand]:
        stands = {kind: Stand(kind, bundle, **how) for kind, how in engines.items()}
        for module in (kinds, select):
            monkeypatch.setattr(module, "missing", lambda kind, _: None if kind in stands else f"no {kind} here")
        monkeypatch.setattr(select, "engine_of", lambda candidate, *_: stands[candidate.kind])
        return stands

    return gives


def kinds_of(candidates: list[Candidate]) -> list[str]:
    return [candidate.kind for candidate in candidates]


def chosen(bundle: Bundle, order: list[Candidate]) -> tuple[str, list[str]]:
    """The engine that sorts, and what was told of those before it."""
    told: list[str] = []
    with first_that_works(order, bundle, NO_CACHE, lambda _, error: told.append(str(error))) as engine:
        return engine.name, told


def test_the_first_engine_that_is_right_sorts_and_those_before_it_are_told(bundle: Bundle, machine: Machine) -> None:
    stands = machine(openvino={"off": 9.0}, executorch={"broken": True}, onnxruntime={}, tensorrt={})
    order = [Candidate(kind) for kind in ("openvino", "executorch", "onnxruntime", "tensorrt")]
    name, told = chosen(bundle, order)
    assert name == "onnxruntime"
    assert [line.split(":")[0] for line in told] == ["openvino", "executorch"]
    assert "golden self-test is off by 9.000" in told[0] and "cannot be opened" in told[1]
    assert (stands["openvino"].closed, stands["onnxruntime"].closed) == (1, 1), "what was opened was closed"
    assert stands["tensorrt"].opened == 0, "nothing is opened beyond what is needed"


def test_with_no_engine_left_nothing_sorts_and_every_reason_is_told(bundle: Bundle, machine: Machine) -> None:
    machine(openvino={"off": 9.0}, onnxruntime={"broken": True})
    with pytest.raises(NoEngine, match="nothing is sorted") as caught:
        chosen(bundle, [Candidate("openvino"), Candidate("onnxruntime"), Candidate("tensorrt")])
    assert caught.value.exit_code == 4
    for reason in ("off by 9.000", "onnxruntime: cannot be opened", "tensorrt: no tensorrt here"):
        assert reason in str(caught.value)


def test_an_error_while_sorting_is_not_taken_for_a_failing_engine(bundle: Bundle, machine: Machine) -> None:
    machine(openvino={}, onnxruntime={})
    order, told = [Candidate("openvino"), Candidate("onnxruntime")], []
    with (
        pytest.raises(GoldenMismatch, match="nightly"),
        first_that_works(order, bundle, NO_CACHE, lambda _, error: told.append(error)) as engine,
    ):
        assert engine.name == "openvino"
        raise GoldenMismatch("nightly self-test")
    assert told == []


def test_before_tuning_onnx_runtime_comes_first_and_only_what_is_there_is_tried(
    bundle: Bundle, machine: Machine
) -> None:
    machine(tensorrt={}, openvino={}, onnxruntime={})
    assert kinds_of(order_of("auto", 0, bundle, NO_CACHE)) == ["onnxruntime", "openvino", "tensorrt"]


def test_after_tuning_auto_takes_the_fastest_and_leaves_out_what_was_wrong(
    bundle: Bundle, machine: Machine, tmp_path: Path
) -> None:
    machine(openvino={}, onnxruntime={}, executorch={})
    cache = EngineCache(tmp_path)
    measured = [
        Trial(Candidate("openvino", 2), "int8", 0.2, 6.0, 7.0),
        Trial(Candidate("onnxruntime", 2), "int8", 0.2, 8.0, 9.0),
        Trial(Candidate("executorch"), why="executorch: golden self-test is off"),
    ]
    remember(measured, bundle, 0, cache)
    assert recall(bundle, 0, cache) == measured
    order = order_of("auto", 0, bundle, cache)
    assert order[:2] == [Candidate("openvino", 2), Candidate("onnxruntime", 2)]
    assert order_of("onnxruntime", 0, bundle, cache)[0] == Candidate("onnxruntime", 2), "the threads that were best"


def test_the_engine_that_the_config_names_comes_first_even_where_it_is_missing(
    bundle: Bundle, machine: Machine
) -> None:
    machine(onnxruntime={}, openvino={})
    order = order_of("tensorrt", 0, bundle, NO_CACHE)
    assert kinds_of(order) == ["tensorrt", "onnxruntime", "openvino"]
    name, told = chosen(bundle, order)
    assert (name, told) == ("onnxruntime", ["tensorrt: no tensorrt here"])


def test_what_was_measured_with_another_library_or_bundle_is_forgotten(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = EngineCache(tmp_path)
    remember([Trial(Candidate("openvino", 2), "int8", 0.2, 6.0, 7.0)], bundle, 0, cache)
    assert recall(bundle, 4, cache) == [], "other threads"
    genuine = metadata.version

    def updated(library: str) -> str:
        return "99.0" if library == "onnxruntime" else genuine(library)

    monkeypatch.setattr(metadata, "version", updated)
    assert recall(bundle, 0, cache) == []


def test_tuning_ranks_by_speed_what_is_right_and_says_why_the_rest_is_not(
    bundle: Bundle, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(onnxruntime={}, openvino={}, executorch={"off": 9.0})
    speeds = {"onnxruntime": 0.020, "openvino": 0.010}

    def in_turns(calls: dict[str, Any], **_: Any) -> dict[str, list[float]]:
        return {name: [speeds[name.split(",")[0]]] * 5 for name in calls}

    monkeypatch.setattr(select, "in_turns", in_turns)
    trials = tune(bundle, threads=2, cache=EngineCache(tmp_path))
    right = [trial for trial in trials if trial.why is None]
    assert [str(trial.candidate) for trial in right] == ["openvino, 2 threads", "onnxruntime, 2 threads"]
    assert [trial.median_ms for trial in right] == [10.0, 20.0]
    why = {trial.candidate.kind: trial.why for trial in trials if trial.why is not None}
    assert "off by 9.000" in str(why["executorch"]) and why["tensorrt"] == "tensorrt: no tensorrt here"
    assert order_of("auto", 2, bundle, EngineCache(tmp_path))[0] == Candidate("openvino", 2)


def test_left_to_itself_tuning_tries_one_thread_and_every_core(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "missing", lambda kind, _: None if kind == "onnxruntime" else "not here")
    monkeypatch.setattr(select.psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    tried = [candidate for candidate in select.candidates_of(0, bundle) if candidate.kind == "onnxruntime"]
    assert tried == [Candidate("onnxruntime", count) for count in (1, 4, 8)]
    assert select.candidates_of(3, bundle)[0] == Candidate("onnxruntime", 3)


def test_turns_are_measured_in_blocks_after_a_pause_without_their_first_call() -> None:
    ticks = itertools.count()  # a second passes between any two looks at the clock
    log: list[object] = []
    calls = {"a": lambda: log.append("a"), "b": lambda: log.append("b")}
    taken = timing.in_turns(calls, rounds=2, clock=lambda: float(next(ticks)), sleep=log.append)
    a, b = [timing.PAUSE_S, *["a"] * (timing.BLOCK + 1)], [timing.PAUSE_S, *["b"] * (timing.BLOCK + 1)]
    assert log == [*a, *b] * 2
    assert taken == {"a": [1.0] * 2 * timing.BLOCK, "b": [1.0] * 2 * timing.BLOCK}
    assert timing.latency_of([0.001, 0.002, 0.003]).median_ms == pytest.approx(2.0)


@pytest.fixture
def cached(tmp_path: Path) -> Iterator[EngineCache]:
    yield EngineCache(tmp_path / "engines")
    for file in (tmp_path / "engines").iterdir():
        file.unlink()  # 24 MB


def test_the_optimised_graph_is_kept_and_answers_the_same(bundle: Bundle, cached: EngineCache) -> None:
    image = bundle.golden.images[:1]
    answers = []
    for _ in range(2):
        with OnnxRuntimeEngine(bundle, threads=1, cache=cached) as engine:
            answers.append(engine.infer(image))
    assert cached.folder is not None
    (kept,) = cached.folder.glob("onnxruntime-*.onnx")
    assert kept.stat().st_size > 1e6
    for first, second in zip(*answers, strict=True):
        assert np.array_equal(first, second)


def test_a_damaged_optimised_graph_is_made_again(bundle: Bundle, cached: EngineCache) -> None:
    with OnnxRuntimeEngine(bundle, threads=1, cache=cached) as engine:
        wanted, _ = engine.infer(bundle.golden.images[:1])
    assert cached.folder is not None
    (kept,) = cached.folder.glob("onnxruntime-*.onnx")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:1000] + bytes(100) + whole[1100:])
    with OnnxRuntimeEngine(bundle, threads=1, cache=cached) as engine:
        assert np.array_equal(engine.infer(bundle.golden.images[:1])[0], wanted)
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_nothing_but_a_warning(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with OnnxRuntimeEngine(bundle, threads=1, cache=EngineCache(tmp_path / "file")) as engine:
        assert engine.infer(bundle.golden.images[:1])[0].shape == (1, 6)
    assert "cannot keep the optimised graph" in caplog.text


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "openvino", "xnnpack"])
def test_a_provider_that_this_onnx_runtime_lacks_is_named(
    bundle: Bundle, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    engine = OnnxRuntimeEngine(bundle, provider=provider)
    with pytest.raises(BundleError, match=rf"onnxruntime-{provider}-int8: this ONNX Runtime has no (?i:{provider})"):
        engine.__enter__()


def test_a_provider_that_falls_back_in_silence_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime lists CUDA where its libraries are not, warns, and goes on with the processor."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(BundleError, match=r"fell back to CPUExecutionProvider|ONNX Runtime cannot load it"):
        OnnxRuntimeEngine(bundle, provider="cuda").__enter__()


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("x86_64", {"avx2"}, True), ("x86_64", {"avx2", "avx512_vnni"}, False), ("AMD64", {"avx_vnni"}, False),
        ("x86_64", set(), True), ("aarch64", {"asimd"}, False),
    ],
)  # fmt: skip
def test_kernels_that_cannot_saturate_are_asked_for_where_the_others_would(
    machine: str, flags: set[str], exact: bool, monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(cache, "instruction_sets", lambda: frozenset(flags))
    options = onnxruntime.session_options(1)
    assert ("LP_TRANSFORMS_MODE" in OpenVinoEngine(bundle)._options()) is exact
    if exact:
        assert options.get_session_config_entry("session.x64quantprecision") == "1"
    else:
        with pytest.raises(RuntimeError, match="x64quantprecision"):
            options.get_session_config_entry("session.x64quantprecision")


def test_a_closed_engine_refuses_to_answer(bundle: Bundle) -> None:
    engine: Engine = OnnxRuntimeEngine(bundle, threads=1)
    with engine:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        engine.infer(bundle.golden.images[:1])
