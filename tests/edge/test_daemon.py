"""The daemon put together as `run` does it, in simulated time: what stands when something is missing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import Config, load_config
from edge.daemon import Daemon
from edge.domain import SortEvent
from edge.errors import JournalError, StaleFrame
from edge.mqtt.client import MqttPublisher
from edge.payloads import TelemetryPayload
from edge.sim.engine_faults import COMMAND, EngineFault, cause
from tests.brokers import free_port

SIM = Path(__file__).parents[2] / "configs/edge/sim.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The simulated bin, with a broker that is not there."""
    plain = load_config(SIM)
    mqtt = plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()})
    return plain.model_copy(update={"state_dir": tmp_path, "mqtt": mqtt})


@contextmanager
def running(config: Config, stop: threading.Event | None = None) -> Iterator[Daemon]:
    with open_daemon(config, ManualClock(), stop=stop) as daemon:
        yield daemon


def codes(daemon: Daemon) -> set[str]:
    return {fault.code for fault in daemon.faults.standing()}


def test_the_bin_sorts_on_without_a_broker_and_says_what_was_lost(config: Config) -> None:
    small = config.model_copy(update={"journal": config.journal.model_copy(update={"max_events": 10})})
    with running(small) as daemon:
        assert daemon.run(max_items=10) == 10
        assert "events_dropped" not in codes(daemon)
        assert daemon.run(max_items=2) == 2
        assert "events_dropped" in codes(daemon)
        assert daemon.journal.depth() == 10
        assert daemon.journal.dropped == 2
        assert sum(daemon.journal.counts().values()) == 12


def test_a_camera_without_fresh_frames_is_a_fault_that_ends_with_the_next_frame(config: Config) -> None:
    stop = threading.Event()
    with running(config, stop) as daemon:
        cycle, stale = daemon.sorter.cycle, [True, True, False]
        seen: list[set[str]] = []

        def scripted() -> SortEvent | None:
            seen.append(codes(daemon))
            if not stale:
                stop.set()
            elif stale.pop(0):
                raise StaleFrame("the newest frame is 9 s old")
            return cycle()

        daemon.sorter.cycle = scripted  # type: ignore[method-assign]
        daemon.run()
    assert ["camera_stale" in standing for standing in seen] == [False, True, True, False]


def test_the_state_tells_every_phase_an_item_goes_through(config: Config) -> None:
    phases: list[str] = []
    with running(config) as daemon:
        daemon.publisher.set_state = lambda state: phases.append(state.phase)  # type: ignore[method-assign]
        daemon.run(max_items=1)
    told = [phase for i, phase in enumerate(phases) if i == 0 or phases[i - 1] != phase]
    assert told[0] == "starting"
    assert told[-1] == "stopped"
    assert [phase for phase in told if phase in ("waiting", "looking", "sorting")][:3] == [
        "waiting",
        "looking",
        "sorting",
    ]


def test_telemetry_is_told_of_what_the_bin_sorts(config: Config, monkeypatch: Any) -> None:
    told: list[TelemetryPayload] = []
    monkeypatch.setattr(MqttPublisher, "tell", lambda publisher, telemetry: told.append(telemetry))
    each_second = config.model_copy(update={"mqtt": config.mqtt.model_copy(update={"telemetry_s": 1.0})})
    with running(each_second) as daemon:
        daemon.run(max_items=2)
    newest = told[-1]
    assert newest.infer_p50_ms is not None and newest.fault_count == 1, "there is no broker"
    assert newest.outbox_depth >= 1 and newest.fps > 1


def test_chores_are_done_after_every_cycle_with_the_camera_or_without_and_what_they_find_is_told(
    config: Config,
) -> None:
    class Chore:
        done = 0

        def tend(self) -> None:
            self.done += 1
            daemon.faults.report("camera_stale", "told by a chore", "nothing")
            if self.done == 20:
                stop.set()

    stop, chore, told = threading.Event(), Chore(), set[str]()
    with running(config, stop) as daemon:
        daemon._chores = (chore,)
        daemon.publisher.set_state = lambda state: told.update(fault.message for fault in state.faults)  # type: ignore[method-assign]
        cycles = 0

        def cycle() -> SortEvent | None:
            nonlocal cycles
            cycles += 1
            raise StaleFrame("the newest frame is 9 s old")

        daemon.sorter.cycle = cycle  # type: ignore[method-assign]
        daemon.run()
    assert (chore.done, cycles) == (20, 20)
    assert "told by a chore" in told


def test_a_bug_in_the_loop_leaves_the_flap_closed_and_ends_the_program(config: Config, monkeypatch: Any) -> None:
    tilt: Any = None
    with pytest.raises(JournalError, match="disk full"), running(config) as daemon:
        tilt = daemon.guard._actuator._servos._pin_factory.pin(config.actuator.tilt_pin)  # type: ignore[attr-defined]

        def complete(event: SortEvent) -> None:
            raise JournalError("disk full")

        monkeypatch.setattr(daemon.journal, "complete", complete)
        daemon.run()
    assert tilt.frequency is None, "no pulses any more"
    angles = [state.state for state in tilt.states if state.state > 0]
    assert angles[-1] == pytest.approx(0.075), "1.5 ms of 20 ms: closed"


@pytest.mark.parametrize("fault", EngineFault)
def test_no_item_is_lost_when_the_engine_fails(config: Config, fault: EngineFault) -> None:
    quick = config.model_copy(update={"classify": config.classify.model_copy(update={"timeout_s": 2.0})})
    phases: list[tuple[str, set[str]]] = []
    with open_daemon(quick, ManualClock(), engine_command=COMMAND) as daemon:
        engine: Any = daemon.classifier._engine
        daemon.run(max_items=1)
        daemon.live.on_phase = lambda: phases.append((daemon.live.snapshot().phase, codes(daemon)))
        cause(fault, engine)
        if fault is EngineFault.WRONG:
            assert not engine.check(), "the nightly check finds it"
        assert daemon.run(max_items=3) == 3
        seqs = [event.seq for event in daemon.journal.newest(10)]
    assert sorted(seqs) == [1, 2, 3, 4]
    code = {"HANG": "engine_hung", "DIE": "engine_died", "WRONG": "engine_wrong"}[fault.name]
    assert any(code in standing for _, standing in phases)


def test_a_bin_without_any_engine_stays_up_says_so_and_moves_nothing(config: Config) -> None:
    stop = threading.Event()
    with open_daemon(config, ManualClock(), stop=stop, engine_command=(sys.executable, "-c", "")) as daemon:
        blocked = 0

        def on_phase() -> None:
            nonlocal blocked
            blocked += daemon.live.snapshot().phase == "blocked"
            if blocked:
                stop.set()

        daemon.live.on_phase = on_phase
        assert daemon.run() == 0
        state = daemon.state()
    assert state.engine == "none"
    assert "no_engine" in [fault.code for fault in state.faults]
