"""Mechanisms and sensors that fail in the simulated bin: what the bin says, does, and how it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import FillSensor, Switch, load_config
from edge.control import ControlClient
from edge.domain import Outcome, SortEvent
from edge.sim import stand_in
from edge.sim.hardware import SimulatedHardware
from edge.sim.mechanism import MechanismFault
from tests.brokers import free_port
from tests.mechanisms import COMPARTMENTS, mechanism_config

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"
SENSORS = {
    "switches": [
        Switch(role="lid", pin=5),
        Switch(role="estop", pin=6),
        Switch(role="hand", pin=7),
        *(Switch(role="beam", pin=pin, compartment=name) for pin, name in enumerate(COMPARTMENTS, 8)),
    ],
    "fill": [FillSensor(compartment="paper", trigger_pin=13, echo_pin=14, empty_cm=60, full_cm=10, every_s=1)],
}


class SimulatedBin:
    """A bin with that mechanism and every sensor, in simulated time. Its network does not matter here."""

    def __init__(self, stack: ExitStack, state_dir: Path, mechanism: str) -> None:
        plain = load_config(SIM)
        mqtt = plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()})
        actuator = mechanism_config(mechanism)
        config = plain.model_copy(update={"state_dir": state_dir, "mqtt": mqtt, "actuator": actuator, **SENSORS})
        self.stop, self.clock, self.hardware = threading.Event(), ManualClock(), SimulatedHardware()
        self.daemon = stack.enter_context(
            open_daemon(config, self.clock, stop=self.stop, hardware=self.hardware, engine_command=stand_in.COMMAND)
        )
        self.events: list[SortEvent] = []
        self._cycle = self.daemon.sorter.cycle
        self.daemon.sorter.cycle = self._before_cycle  # type: ignore[method-assign]
        self._until: Callable[[], bool] = lambda: False

    def _before_cycle(self) -> SortEvent | None:
        if self._until():
            self.stop.set()
        return self._cycle()

    def sort(self, items: int = 1) -> SortEvent:
        """So many items; gives the last."""
        self.run(60.0 * items, until_items=items)
        return self.events[-1]

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False, until_items: int | None = None) -> int:
        """Until the condition is true, so many items are through, or so many seconds have passed."""
        from_s = self.clock.monotonic_s()
        self._until = lambda: until() or self.clock.monotonic_s() - from_s >= seconds
        self.stop.clear()
        done = self.daemon.run(max_items=until_items, on_event=self.events.append)
        assert until_items is None or done == until_items, f"{self.messages()} {self.daemon.live.snapshot().phase}"
        return done

    def messages(self) -> dict[str, str]:
        return {f.code: f.message for f in self.daemon.faults.standing() if f.code != "broker_unreachable"}

    def acknowledge(self) -> None:
        ControlClient(self.daemon.config.control_socket, timeout_s=60).request("acknowledge")


@pytest.fixture
def make_bin(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda mechanism="flap": SimulatedBin(stack, tmp_path, mechanism)


@pytest.mark.parametrize("mechanism", ["carousel", "flap-on-board", "gates"])
def test_items_are_sorted_by_every_mechanism_and_seen_by_the_beams(make_bin: Any, mechanism: str) -> None:
    bin_ = make_bin(mechanism)
    bin_.sort(3)
    assert [event.outcome for event in bin_.events] == [Outcome.CONFIRMED] * 3
    assert bin_.messages() == {}


@pytest.mark.parametrize(
    ("mechanism", "fault", "code", "outcome"),
    [
        ("flap", MechanismFault.JAM, "jam", Outcome.JAMMED),
        ("flap", MechanismFault.UNPOWER, "jam", Outcome.JAMMED),
        ("flap", MechanismFault.STALL, "stall", Outcome.STALLED),
        ("gates", MechanismFault.UNPOWER, "jam", Outcome.JAMMED),
        ("carousel", MechanismFault.UNPOWER, "home_lost", Outcome.STALLED),
        ("carousel", MechanismFault.STALL, "stall", Outcome.STALLED),
    ],
)
def test_a_failing_mechanism_is_named_drops_home_and_waits_for_a_person(
    make_bin: Any, mechanism: str, fault: MechanismFault, code: str, outcome: Outcome
) -> None:
    bin_ = make_bin(mechanism)
    bin_.sort()
    assert bin_.messages() == {}
    bin_.hardware.fail(fault)
    assert bin_.sort().outcome is outcome
    assert code in bin_.messages()
    assert not bin_.daemon.guard.homed
    bin_.hardware.fail(None)
    moved: list[str] = []
    bin_.daemon.guard._actuator.deliver = lambda *_: moved.append("deliver")
    bin_.daemon.guard._actuator.home = lambda *_: moved.append("home")
    assert bin_.run(30) == 0
    assert moved == [], "nothing moves before a person has acknowledged, repaired or not"
    del bin_.daemon.guard._actuator.deliver, bin_.daemon.guard._actuator.home
    bin_.acknowledge()
    assert bin_.sort().outcome is Outcome.CONFIRMED
    assert bin_.messages() == {}


def test_a_servo_board_that_does_not_answer_is_told_and_the_bin_stays_up(make_bin: Any) -> None:
    bin_ = make_bin("flap-on-board")
    bin_.sort()
    boards = bin_.hardware._pins.i2c(1).boards
    board = boards.pop(0x40)
    assert bin_.sort().outcome is Outcome.STALLED
    assert "0x40 does not answer" in bin_.messages()["mechanism_failed"]
    boards[0x40] = board
    bin_.acknowledge()
    assert bin_.sort().outcome is Outcome.CONFIRMED


def test_an_item_that_never_passes_its_beam_is_lost_and_needs_a_person(make_bin: Any) -> None:
    bin_ = make_bin()
    bin_.hardware.lose_items = True
    event = bin_.sort()
    assert event.outcome is Outcome.LOST
    assert bin_.messages()["lost_item"] == (
        f"an item for {event.decision.compartment} left the tray and never passed the beam of its chute"
    )
    assert not bin_.daemon.guard.homed
    assert bin_.daemon.journal.counts() == {}, "what never arrived is not counted"
    bin_.hardware.lose_items = False
    assert bin_.run(30) == 0
    bin_.acknowledge()
    assert bin_.sort().outcome is Outcome.CONFIRMED


def test_a_full_compartment_sends_its_items_to_residual_and_says_so(make_bin: Any) -> None:
    bin_ = make_bin()
    bin_.hardware.rangers["paper"].fill(97)
    bin_.run(10, until=lambda: "compartment_full" in bin_.messages())
    assert bin_.messages() == {"compartment_full": "full: paper"}
    bin_.sort(12)
    full = [event for event in bin_.events if event.decision.reason.value == "FULL"]
    assert full, "one of the items is paper"
    assert {event.decision.compartment for event in full} == {"residual"}
    assert "paper" not in {event.decision.compartment for event in bin_.events}
    assert bin_.daemon.publisher._word.fill_percent == {"paper": 97}
    bin_.hardware.rangers["paper"].fill(0)
    bin_.run(10, until=lambda: not bin_.messages())
    assert bin_.messages() == {}


def test_a_fill_sensor_without_an_echo_is_told_and_sorting_goes_on(make_bin: Any) -> None:
    bin_ = make_bin()
    bin_.hardware.rangers["paper"].distance_cm = None
    bin_.run(30, until=lambda: "fill_sensor_failed" in bin_.messages())
    assert bin_.sort().outcome is Outcome.CONFIRMED
    assert bin_.messages() == {"fill_sensor_failed": "no echo from the fill sensor of paper"}
    bin_.hardware.rangers["paper"].fill(10)
    bin_.run(10, until=lambda: not bin_.messages())
    assert bin_.messages() == {}


@pytest.mark.parametrize(
    ("role", "reason"),
    [("lid", "the lid is open"), ("estop", "e-stop is pressed"), ("hand", "a hand is in the opening")],
)
def test_a_sensor_that_forbids_keeps_the_item_waiting_and_says_so(make_bin: Any, role: str, reason: str) -> None:
    bin_ = make_bin()
    bin_.sort()
    bin_.hardware.set_switch(role, True)
    assert bin_.run(20) == 0
    assert reason in bin_.messages()["motion_refused"]
    bin_.hardware.set_switch(role, False)
    assert bin_.sort().outcome is Outcome.CONFIRMED
    assert bin_.messages() == {}


def test_a_solenoid_that_must_cool_keeps_the_item_waiting_and_then_it_is_sorted(make_bin: Any) -> None:
    bin_ = make_bin("gates")
    duty = bin_.daemon.guard._duty
    duty._coil_s = dict.fromkeys(COMPARTMENTS, 0.5)
    told: set[str] = set()
    bin_.run(
        400,
        until=lambda: bool(told.update(bin_.messages().values())),
        until_items=7,
    )
    assert any("must cool" in message for message in told)
    assert {event.outcome for event in bin_.events} == {Outcome.CONFIRMED}, "no item is refused in between"
