"""A lamp over the simulated tray: seen to answer, and told from a covered lens when it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

import edge.camera.lamp
from edge import config
from edge.build import open_daemon
from edge.camera.lamp import Lamp, LampCheck
from edge.clock import ManualClock
from edge.config import Config, load_config
from edge.domain import Camera, SortEvent
from edge.errors import ConfigError, HardwareError, StaleFrame
from edge.sim import stand_in
from edge.sim.lamp import LampFault, LitCamera
from tests.brokers import free_port

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"
PIN = 24
BOTH = {"lamp_dead", "camera_covered"}


class LitBin:
    """The simulated bin with a lamp, in simulated time. Its network does not matter here."""

    def __init__(self, stack: ExitStack, settings: Config, *, fault: LampFault | None = None) -> None:
        self.stop, self.clock = threading.Event(), ManualClock()
        self._fault = fault
        self.daemon = stack.enter_context(
            open_daemon(settings, self.clock, stop=self.stop, around_camera=self._lit, engine_command=stand_in.COMMAND)
        )
        self._cycle = self.daemon.sorter.cycle
        self.daemon.sorter.cycle = self._before_cycle  # type: ignore[method-assign]
        self._until: Callable[[], bool] = lambda: False
        pins: Any = self.camera._pin_factory
        self.lamp = pins.pin(PIN)
        self.lamp.clear_states()
        self.phases_when_put_out: list[str] = []
        self._watch_pin()

    def _lit(self, camera: Camera) -> Camera:
        assert isinstance(camera, LitCamera)
        self.camera = camera
        camera.fault = self._fault
        return camera

    def _watch_pin(self) -> None:
        [check] = [chore for chore in self.daemon._chores if isinstance(chore, LampCheck)]
        lamp: Any = check._lamp
        put_out = lamp.put_out

        def noted() -> None:
            self.phases_when_put_out.append(self.daemon.live.snapshot().phase)
            put_out()

        lamp.put_out = noted

    def _before_cycle(self) -> SortEvent | None:
        if self._until():
            self.stop.set()
        return self._cycle()

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Until the condition is true, or so many seconds have passed; gives how many did."""
        from_s = self.clock.monotonic_s()
        self._until = lambda: until() or self.clock.monotonic_s() - from_s >= seconds
        self.stop.clear()
        self.daemon.run()
        self._until = lambda: False
        self.stop.clear()
        return self.clock.monotonic_s() - from_s

    def codes(self) -> set[str]:
        return {fault.code for fault in self.daemon.faults.standing()} - {"broker_unreachable", "motion_refused"}

    @property
    def checks(self) -> int:
        return len(self.phases_when_put_out) // 2


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    plain = load_config(SIM)
    mqtt = plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()})
    return plain.model_copy(update={"state_dir": tmp_path, "mqtt": mqtt, "lamp": config.Lamp(pin=PIN)})


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.camera.lamp, "AGAIN_S", 15.0)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_a_lamp_that_works_is_checked_at_boot_and_sorting_is_as_ever(stack: ExitStack, settings: Config) -> None:
    lit = LitBin(stack, settings)
    assert lit.daemon.run(max_items=3) == 3
    assert lit.codes() == set()
    assert lit.checks == 1
    assert lit.lamp.state == 1, "lit again"


def test_the_lamp_is_checked_once_a_night_or_when_the_clock_was_set_and_only_between_items(
    stack: ExitStack, settings: Config
) -> None:
    lit = LitBin(stack, settings)
    lit.daemon.run(max_items=1)
    lit.run(30, lambda: lit.daemon.live.snapshot().phase == "looking")
    lit.clock.advance(86_400)
    assert lit.daemon.run(max_items=1) == 1
    lit.run(20, lambda: lit.checks == 2)
    lit.run(20)
    assert lit.checks == 2
    lit.clock.set_wall_clock(-86_400)
    lit.run(30, lambda: lit.checks == 3)
    assert lit.checks == 3
    assert set(lit.phases_when_put_out) <= {"starting", "waiting"}
    assert lit.codes() == {"clock_jumped"}


@pytest.mark.parametrize("at_boot", [True, False])
def test_a_dead_lamp_is_told_while_the_tray_still_shows(stack: ExitStack, settings: Config, at_boot: bool) -> None:
    lit = LitBin(stack, settings, fault=LampFault.DEAD if at_boot else None)
    lit.daemon.run(max_items=1)
    assert lit.codes() == ({"lamp_dead"} if at_boot else set()), "by the light there is, a bin sorts on"
    lit.camera.fault = LampFault.DEAD
    assert lit.run(30, lambda: "lamp_dead" in lit.codes()) < 15
    assert lit.codes() == {"lamp_dead"}
    [fault] = [fault for fault in lit.daemon.faults.standing() if fault.code == "lamp_dead"]
    assert "lamp.pin" in fault.remedy and "mean grey level" in fault.message
    lit.camera.fault = None
    assert lit.run(60, lambda: "lamp_dead" not in lit.codes()) < 40, "looked at again, without anybody asking"
    if not at_boot:  # else the tray was learnt in the dark: a person has it learnt anew, as the remedy says
        assert lit.daemon.run(max_items=1) == 1
        assert lit.codes() == set()


@pytest.mark.parametrize("phase", ["waiting", "looking", "sorting"])
def test_a_lamp_that_dies_at_any_time_moves_nothing_and_loses_no_item(
    stack: ExitStack, settings: Config, phase: str
) -> None:
    lit = LitBin(stack, settings)
    lit.daemon.run(max_items=1)
    assert lit.run(30, lambda: lit.daemon.live.snapshot().phase == phase) < 30
    lit.camera.fault = LampFault.DEAD
    before = sum(lit.daemon.journal.counts().values())
    lit.run(25)
    assert lit.codes() == {"lamp_dead"}
    assert sum(lit.daemon.journal.counts().values()) == before, "no item was made up of the changed light"
    lit.camera.fault = None
    assert lit.daemon.run(max_items=1) == 1, "the item is sorted at once; the lamp is looked at after it"
    assert lit.run(60, lambda: lit.codes() == set()) < 30


def test_something_large_and_dark_is_an_item_once_the_lamp_was_seen_to_work(stack: ExitStack, settings: Config) -> None:
    lit = LitBin(stack, settings)
    lit.daemon.run(max_items=1)
    lit.run(12, lambda: lit.daemon.live.snapshot().phase == "waiting")
    read = lit.camera.read_latest

    def black_bag(max_age_s: float) -> Any:
        frame = read(max_age_s)
        rgb = (0.55 * frame.rgb).astype("uint8")
        return type(frame)(rgb, frame.captured_s, frame.seq)

    lit.camera.read_latest = black_bag  # type: ignore[method-assign]
    assert lit.run(30, lambda: lit.daemon.live.snapshot().phase == "sorting") < 20
    assert lit.codes() == set()


def test_a_covered_lens_is_told_from_a_dead_lamp_at_once_and_over_when_it_is_free(
    stack: ExitStack, settings: Config
) -> None:
    lit = LitBin(stack, settings)
    lit.daemon.run(max_items=1)
    lit.run(12)
    lit.camera.fault = LampFault.COVER
    assert lit.run(60, lambda: "camera_covered" in lit.codes()) < 15
    assert lit.codes() == {"camera_dark", "camera_covered"}
    lit.camera.fault = None
    assert lit.run(60, lambda: lit.codes() == set()) < 20
    assert lit.daemon.run(max_items=1) == 1


def test_a_camera_that_stops_during_the_check_leaves_the_lamp_lit(stack: ExitStack, settings: Config) -> None:
    lit = LitBin(stack, settings)
    read = lit.camera.read_latest

    def stale_in_the_dark(max_age_s: float) -> Any:
        if not lit.lamp.state:
            raise StaleFrame("the newest frame is 9 s old")
        return read(max_age_s)

    lit.camera.read_latest = stale_in_the_dark  # type: ignore[method-assign]
    lit.run(5)
    assert lit.phases_when_put_out, "it was tried"
    assert lit.lamp.state == 1
    assert lit.codes() == set()
    lit.camera.read_latest = read  # type: ignore[method-assign]
    before = len(lit.phases_when_put_out)
    lit.run(40, lambda: len(lit.phases_when_put_out) == before + 2)
    assert len(lit.phases_when_put_out) == before + 2, "and is tried again"


def test_sunlight_that_hides_the_lamp_is_no_verdict(stack: ExitStack, settings: Config) -> None:
    lenient = settings.camera_condition.model_copy(update={"overexposed_share": 1.0})
    lit = LitBin(stack, settings.model_copy(update={"camera_condition": lenient}))
    read = lit.camera.read_latest

    def white(max_age_s: float) -> Any:
        frame = read(max_age_s)
        rgb = frame.rgb.copy()
        rgb[:] = 252
        return type(frame)(rgb, frame.captured_s, frame.seq)

    lit.camera.read_latest = white  # type: ignore[method-assign]
    lit.run(10)
    assert lit.checks == 1
    assert lit.codes() & BOTH == set()


@pytest.mark.parametrize("active_high", [True, False])
def test_a_lamp_is_lit_from_entering_to_leaving_whichever_way_it_is_wired(active_high: bool) -> None:
    pins = MockFactory(pin_class=MockPWMPin)
    with Lamp(config.Lamp(pin=PIN, active_high=active_high), pins) as lamp:
        assert bool(pins.pin(PIN).state) is active_high
        lamp.put_out()
        assert bool(pins.pin(PIN).state) is not active_high
        lamp.light()
        assert bool(pins.pin(PIN).state) is active_high
    assert pins.pin(PIN).function == "input", "given back"
    lamp.__exit__()


def test_a_pin_that_is_in_use_is_named() -> None:
    pins = MockFactory(pin_class=MockPWMPin)
    with (
        Lamp(config.Lamp(pin=PIN), pins),
        pytest.raises(HardwareError, match=r"lamp on pin 24: .*; expected a free output pin"),
    ):
        Lamp(config.Lamp(pin=PIN), pins).__enter__()


def test_a_lamp_on_a_pin_of_the_flap_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bin.yaml"
    path.write_text(SIM.read_text() + "\nlamp:\n  pin: 17\n")
    with pytest.raises(ConfigError, match=r"pins \[17\] are used twice, counting switches and the lamp"):
        load_config(path)
