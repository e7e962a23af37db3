"""The whole daemon under a real notify socket, in simulated time: when it says READY=1, and when WATCHDOG=1 stops."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import Config, OpenCvCamera, load_config
from edge.daemon import Daemon
from edge.domain import Camera
from edge.fault_table import BY_CODE
from edge.health import BROKER_DOWN
from edge.mqtt.client import MqttPublisher
from edge.notify import Notifier
from edge.sim import stand_in
from edge.sim.camera_faults import CameraFault, FaultyCamera
from edge.sim.engine_faults import EngineFault, cause
from tests.brokers import free_port

SIM = Path(__file__).parents[2] / "configs/edge/sim.yaml"
WATCHDOG_S = 20.0


class Watched(ManualClock):
    """Simulated time in which systemd listens. pings: when WATCHDOG=1 came. messages: all that came."""

    def __init__(self, listening: socket.socket) -> None:
        super().__init__()
        self._listening = listening
        self.pings: list[float] = []
        self.messages: list[str] = []
        self.stop = threading.Event()
        self.until_s = float("inf")

    def hear(self) -> None:
        while True:
            try:
                message = self._listening.recv(4096).decode()
            except BlockingIOError:
                return
            self.messages.append(message)
            if "WATCHDOG=1" in message.splitlines():
                self.pings.append(self.monotonic_s())

    def sleep(self, duration_s: float) -> None:
        self.hear()
        super().sleep(duration_s)
        if self.monotonic_s() >= self.until_s:
            self.stop.set()


class Bin:
    """A daemon, its clock and its camera."""

    def __init__(self, daemon: Daemon, clock: Watched, camera: FaultyCamera) -> None:
        self.daemon, self.clock, self.camera = daemon, clock, camera

    def run(self, duration_s: float) -> None:
        self.clock.stop.clear()
        self.clock.until_s = self.clock.monotonic_s() + duration_s
        self.daemon.run()

    def assert_pinged(self) -> None:
        last_s = max(self.clock.pings)
        assert self.clock.monotonic_s() - last_s < WATCHDOG_S / 3
        assert "no_progress" not in self.codes()

    def assert_stops_within_one_period(self, stalled_s: float, what: str) -> None:
        assert max(self.clock.pings) - stalled_s < WATCHDOG_S < self.clock.monotonic_s() - stalled_s
        (told,) = [fault.message for fault in self.daemon.faults.standing() if fault.code == "no_progress"]
        assert what in told
        assert any(f"STATUS=stuck: {what}" in message for message in self.clock.messages)

    def codes(self) -> set[str]:
        return {fault.code for fault in self.daemon.faults.standing()}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The simulated bin, with a broker that is not there."""
    plain = load_config(SIM)
    mqtt = plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()})
    return plain.model_copy(update={"state_dir": tmp_path, "mqtt": mqtt})


@contextmanager
def opened(config: Config, tmp_path: Path, **options: Any) -> Iterator[Bin]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        clock, cameras = Watched(listening), []

        def faulty(camera: Camera) -> FaultyCamera:
            cameras.append(FaultyCamera(camera))
            return cameras[0]

        notifier = Notifier(str(tmp_path / "notify"), WATCHDOG_S)
        options = {
            "stop": clock.stop,
            "around_camera": faulty,
            "notifier": notifier,
            "engine_command": stand_in.COMMAND,
        } | options
        with open_daemon(config, clock, **options) as daemon:
            yield Bin(daemon, clock, cameras[0])
        clock.hear()
        assert clock.messages[-1].startswith("STOPPING=1")


@pytest.fixture
def watched(config: Config, tmp_path: Path) -> Iterator[Bin]:
    """A bin that has run for a while, without a broker, which it knows."""
    with opened(config, tmp_path) as bin_:
        bin_.run(25)
        bin_.assert_pinged()
        assert bin_.daemon.journal.depth() > 0
        yield bin_


def test_ready_is_said_when_the_engine_has_passed_and_not_before(config: Config, tmp_path: Path) -> None:
    go = tmp_path / "go"
    late = (
        "import runpy, sys, time\nfrom pathlib import Path\n"
        f"while not Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "runpy.run_module('edge.engines.worker', run_name='__main__', alter_sys=False)"
    )
    said: list[str] = []

    def progress(step: str) -> None:
        said.append(step)
        if "process of its own" in step:
            threading.Timer(0.3, go.touch).start()

    with opened(config, tmp_path, engine_command=(sys.executable, "-c", late), progress=progress) as bin_:
        assert bin_.daemon.classifier.away() is None
        bin_.clock.hear()
        first = [message.splitlines()[0] for message in bin_.clock.messages]
    assert first == [f"STATUS=opening {step}" for step in said] + ["READY=1"]
    assert said[-1] == "engine, in a process of its own"


def test_a_bin_that_gets_on_is_pinged_for_also_without_a_broker(watched: Bin) -> None:
    watched.run(2 * WATCHDOG_S)
    gaps = [later - earlier for earlier, later in zip(watched.clock.pings, watched.clock.pings[1:], strict=False)]
    assert max(gaps) < WATCHDOG_S / 3
    assert "broker_unreachable" in watched.codes()


def test_a_camera_that_gave_frames_and_stopped_ends_the_pings(watched: Bin) -> None:
    watched.camera.fault = CameraFault.UNPLUG
    stalled_s = watched.clock.monotonic_s()
    watched.run(WATCHDOG_S + 10)
    watched.assert_stops_within_one_period(stalled_s, "the camera has given no frame")
    watched.camera.fault = None
    watched.run(WATCHDOG_S / 3)
    watched.assert_pinged()


def test_a_bin_whose_camera_was_never_there_is_ready_stays_up_and_tells_it(config: Config, tmp_path: Path) -> None:
    unplugged = config.model_copy(update={"camera": OpenCvCamera(type="opencv", source=63)})
    with opened(unplugged, tmp_path, engine_command=(sys.executable, "-c", "")) as bin_:
        bin_.run(2 * WATCHDOG_S)
        bin_.assert_pinged()
        (said,) = [fault.message for fault in bin_.daemon.faults.standing() if fault.code == "camera_stale"]
        assert "camera 63: cannot be opened" in said and "v4l2-ctl" in said
        assert any(message.startswith("READY=1") for message in bin_.clock.messages)
        assert any("camera_stale" in message for message in bin_.clock.messages)


def test_a_camera_that_is_dark_needs_no_restart(watched: Bin) -> None:
    watched.camera.fault = CameraFault.DARKEN
    watched.run(WATCHDOG_S + 10)
    assert "camera_dark" in watched.codes()
    watched.assert_pinged()


def test_a_loop_that_is_caught_in_a_movement_ends_the_pings(watched: Bin, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled_s: list[float] = []

    def never_done(compartment: str, watch: Callable[[], None]) -> None:
        stalled_s.append(watched.clock.monotonic_s())
        while not watched.clock.stop.is_set():
            watch()
            watched.clock.sleep(0.1)

    monkeypatch.setattr(watched.daemon.guard, "deliver", never_done)
    watched.run(2 * WATCHDOG_S)
    watched.assert_stops_within_one_period(stalled_s[0], "the loop has not turned")


def test_an_engine_that_answered_and_does_not_come_back_ends_the_pings(watched: Bin) -> None:
    engine: Any = watched.daemon.classifier._engine
    engine._command = (sys.executable, "-c", "raise SystemExit(7)")
    cause(EngineFault.DIE, engine)
    assert not engine.check()
    stalled_s = watched.clock.monotonic_s()
    watched.run(WATCHDOG_S + 10)
    watched.assert_stops_within_one_period(stalled_s, "the engine has given no answer")


def test_an_outbox_that_does_not_drain_for_no_known_reason_ends_the_pings(
    watched: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MqttPublisher, "_report_lost", lambda *_: None)
    watched.daemon.faults.clear("broker_unreachable")
    deadline_s = time.monotonic() + 10
    stalled_s = watched.clock.monotonic_s()
    while "broker_unreachable" in watched.codes() and time.monotonic() < deadline_s:
        watched.daemon.faults.clear("broker_unreachable")
    watched.run(WATCHDOG_S + 10)
    watched.assert_stops_within_one_period(stalled_s, "the outbox has not drained")


def test_a_bin_that_never_had_an_engine_stays_up_and_tells_instead(config: Config, tmp_path: Path) -> None:
    with opened(config, tmp_path, engine_command=(sys.executable, "-c", "")) as bin_:
        bin_.run(2 * WATCHDOG_S)
        bin_.assert_pinged()
        assert "no_engine" in bin_.codes()
        assert any("faults: " in message and "no_engine" in message for message in bin_.clock.messages)


def test_the_faults_that_excuse_a_waiting_outbox_exist() -> None:
    assert set(BY_CODE) >= BROKER_DOWN
