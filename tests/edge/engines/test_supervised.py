"""An engine in a process of its own: what happens when it hangs, dies, is wrong, or is not there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import Bundle, load_bundle
from edge.clock import ManualClock
from edge.engines import supervised
from edge.engines.candidate import Candidate
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.engines.supervised import SupervisedEngine
from edge.errors import EngineAway
from edge.faults import Faults
from edge.sim.engine_faults import COMMAND, EngineFault, cause
from tests.bundles import with_file
from tests.patience import PATIENCE

PATIENCE_S = 60.0 * PATIENCE


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    return load_bundle(bundle_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def faults(clock: ManualClock) -> Faults:
    return Faults(clock)


@pytest.fixture
def opened(bundle: Bundle, faults: Faults, clock: ManualClock) -> Iterator[Callable[..., SupervisedEngine]]:
    with ExitStack() as stack:

        def open_one(bundle: Bundle = bundle, **options: Any) -> SupervisedEngine:
            limits = {"timeout_s": 3.0, "open_timeout_s": 60.0, "command": COMMAND}
            engine = stack.enter_context(SupervisedEngine(bundle, faults, clock, **limits | options))
            engine.wait()
            return engine

        yield open_one


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "not within the test's patience"
        time.sleep(0.01)


def codes(faults: Faults) -> list[str]:
    return [fault.code for fault in faults.standing()]


def test_it_answers_as_the_engine_in_this_process_does(
    bundle: Bundle, opened: Callable[..., SupervisedEngine], faults: Faults
) -> None:
    engine = opened()
    images = bundle.golden.images[:2]
    with OnnxRuntimeEngine(bundle) as own:
        wanted = [own.infer(image[np.newaxis]) for image in images]
    logits, class_maps = engine.infer(images)
    assert np.array_equal(logits, np.concatenate([answer[0] for answer in wanted]))
    assert np.array_equal(class_maps, np.concatenate([answer[1] for answer in wanted]))
    assert (engine.name, engine.away, codes(faults)) == ("onnxruntime-int8", None, [])
    assert 0 < engine.overhead_s < 1


@pytest.mark.parametrize(("fault", "code"), [(EngineFault.HANG, "engine_hung"), (EngineFault.DIE, "engine_died")])
def test_one_that_hangs_or_dies_is_told_and_replaced_and_the_picture_can_be_asked_again(
    bundle: Bundle, opened: Callable[..., SupervisedEngine], faults: Faults, fault: EngineFault, code: str
) -> None:
    engine = opened()
    image = bundle.golden.images[:1]
    before, old = engine.infer(image), engine.pid
    cause(fault, engine)
    with pytest.raises(EngineAway, match="onnxruntime-int8, process"):
        engine.infer(image)
    assert codes(faults) == [code]
    until(lambda: engine.away is None)
    assert engine.pid != old and np.array_equal(engine.infer(image)[0], before[0])
    with pytest.raises(ProcessLookupError):
        os.kill(old or 0, 0)


def test_one_that_becomes_wrong_is_found_by_the_golden_set_and_replaced(
    bundle: Bundle, opened: Callable[..., SupervisedEngine], faults: Faults
) -> None:
    engine = opened()
    assert engine.check()
    cause(EngineFault.WRONG, engine)
    assert not engine.check()
    assert codes(faults) == ["engine_wrong"]
    until(lambda: engine.away is None)
    assert engine.check()


def test_the_fault_is_over_when_the_new_engine_has_answered_for_long(
    bundle: Bundle, opened: Callable[..., SupervisedEngine], faults: Faults, clock: ManualClock
) -> None:
    engine = opened()
    cause(EngineFault.DIE, engine)
    with pytest.raises(EngineAway):
        engine.infer(bundle.golden.images[:1])
    until(lambda: engine.away is None)
    engine.settle()
    assert codes(faults) == ["engine_died"]
    clock.advance(supervised.RECOVERED_S + 1)
    engine.settle()
    assert codes(faults) == []


def test_an_engine_that_fails_again_and_again_makes_way_for_another(
    bundle: Bundle, opened: Callable[..., SupervisedEngine], faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineOrder, "kinds", [Candidate("onnxruntime", 2), Candidate("onnxruntime", 1)])
    monkeypatch.setattr(SupervisedEngine, "_know_order", EngineOrder.know)
    engine = opened()
    for _ in range(supervised.TRIES):
        assert engine._candidate == Candidate("onnxruntime", 2)
        cause(EngineFault.DIE, engine)
        with pytest.raises(EngineAway):
            engine.infer(bundle.golden.images[:1])
        until(lambda: engine.away is None)
    assert engine._candidate == Candidate("onnxruntime", 1)
    assert codes(faults) == ["engine_died", "engine_fallback"]
    (told,) = [fault.message for fault in faults.standing() if fault.code == "engine_fallback"]
    assert told == "onnxruntime, 2 threads failed too often; onnxruntime-int8 sorts instead"


def test_a_missing_engine_is_passed_over_and_told(opened: Callable[..., SupervisedEngine], faults: Faults) -> None:
    engine = opened(wanted="tensorrt")
    assert engine.name == "onnxruntime-int8"
    (told,) = faults.standing()
    assert told.code == "engine_fallback" and "tensorrt: " in told.message


def test_with_no_engine_nothing_is_answered_until_the_bundle_is_put_right(
    bundle: Bundle, opened: Callable[..., SupervisedEngine], faults: Faults, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(SupervisedEngine, "backoff_s", (0.05, 0.05))
    monkeypatch.setattr(EngineOrder, "kinds", [Candidate("onnxruntime")])
    monkeypatch.setattr(SupervisedEngine, "_know_order", EngineOrder.know)
    for name in ("manifest.json", "golden.npz"):
        shutil.copy(bundle.path / name, tmp_path / name)
    good = (bundle.path / "model.onnx").read_bytes()
    engine = opened(with_file(bundle, good, tmp_path))
    assert engine.away is None
    (tmp_path / "model.onnx").write_bytes(good[:-1])
    cause(EngineFault.DIE, engine)
    assert not engine.check()
    until(lambda: "no_engine" in codes(faults))
    with pytest.raises(EngineAway, match="no engine of this machine may sort with it"):
        engine.infer(bundle.golden.images[:1])
    (tmp_path / "model.onnx").write_bytes(good)
    until(lambda: engine.away is None)
    assert "no_engine" not in codes(faults) and engine.check()


class EngineOrder:
    """Leaves one kind of engine to try."""

    kinds: list[Candidate] = []

    @staticmethod
    def know(engine: SupervisedEngine) -> None:
        engine._order = EngineOrder.kinds
        engine._first = EngineOrder.kinds[0]


def test_an_engine_that_never_opens_is_given_up(opened: Callable[..., SupervisedEngine], faults: Faults) -> None:
    engine = opened(command=(sys.executable, "-c", "raise SystemExit(7)"))
    assert engine.away is not None and "ended: exit code 7" in engine.away
    assert codes(faults) == ["no_engine"]


PARENT = """
import os, signal, sys
from pathlib import Path
from edge.bundle import load_bundle
from edge.clock import SystemClock
from edge.engines.supervised import SupervisedEngine
from edge.faults import Faults
clock = SystemClock()
engine = SupervisedEngine(load_bundle(Path(sys.argv[1])), Faults(clock), clock, timeout_s=60, open_timeout_s=60)
with engine:
    assert engine.wait()
    assert not {"onnxruntime", "openvino", "torch"} & set(sys.modules), "runtimes belong into the other process"
    os.kill(engine.pid, getattr(signal, sys.argv[2]))
    print(engine.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("state", ["SIGCONT", "SIGSTOP"], ids=["waiting", "hanging"])
def test_the_engine_does_not_outlive_the_daemon_however_it_dies(bundle_path: Path, state: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, str(bundle_path), state],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    until(lambda: not alive(int(done.stdout)))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and was not buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
