"""Switches, beams and fill sensors on mock pins: debounced, in units, and found out when they cannot be right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockTriggerPin
from hypothesis import given
from hypothesis import strategies as st

from edge.actuators.pins import open_pin_factory
from edge.clock import ManualClock
from edge.config import FillSensor, Switch
from edge.faults import Faults
from edge.sensors.fill import FillLevel, FillMonitor
from edge.sensors.switch import SwitchSensor
from edge.sensors.ultrasonic import UltrasonicRanger
from edge.sensors.watch import SensorWatch
from edge.sim.hardware import SimulatedRanger

GLASS = FillSensor(compartment="glass", trigger_pin=6, echo_pin=7, empty_cm=60, full_cm=10)


@pytest.fixture
def pins() -> Iterator[Any]:
    factory = open_pin_factory("mock")
    yield factory
    factory.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def switch(pins: Any, clock: ManualClock, **changes: Any) -> SwitchSensor:
    return SwitchSensor(Switch(**{"role": "lid", "pin": 5, **changes}), pins, clock)


def test_an_open_lid_counts_at_once_and_a_closed_one_after_it_was_steady(pins: Any, clock: ManualClock) -> None:
    lid = switch(pins, clock, debounce_s=0.1)
    pins.pin(5).drive_low()
    assert lid.active(), "not yet known to be steady"
    clock.advance(0.11)
    assert not lid.active()
    pins.pin(5).drive_high()
    assert lid.active()
    pins.pin(5).drive_low()
    clock.advance(0.09)
    assert lid.active()
    clock.advance(0.02)
    assert not lid.active()


def test_a_lid_that_opened_between_two_looks_is_still_noticed(pins: Any, clock: ManualClock) -> None:
    lid = switch(pins, clock, debounce_s=0.1)
    pins.pin(5).drive_low()
    clock.advance(1)
    assert not lid.active()
    pins.pin(5).drive_high()
    pins.pin(5).drive_low()
    assert lid.active()


def test_a_bouncing_contact_is_one_change(pins: Any, clock: ManualClock) -> None:
    lid = switch(pins, clock)
    for _ in range(20):
        pins.pin(5).drive_low()
        clock.advance(0.001)
        pins.pin(5).drive_high()
    assert not lid.unsteady()


def test_a_switch_that_changes_for_seconds_is_not_believed_and_says_so(pins: Any, clock: ManualClock) -> None:
    lid, faults = switch(pins, clock), Faults(clock)
    watch = SensorWatch([lid], faults, clock)
    for _ in range(5):
        pins.pin(5).drive_low()
        clock.advance(0.3)
        pins.pin(5).drive_high()
        clock.advance(0.2)
    pins.pin(5).drive_low()
    clock.advance(1)
    watch.tend()
    assert lid.active(), "the safe side"
    [fault] = faults.standing()
    assert (fault.code, fault.message) == ("sensor_unsteady", "changes many times in a few seconds: lid (pin 5)")
    clock.advance(5)
    watch.tend()
    assert faults.standing() == ()
    assert not lid.active()


def test_a_person_who_opens_and_closes_the_lid_is_no_fault(pins: Any, clock: ManualClock) -> None:
    lid = switch(pins, clock)
    for _ in range(3):
        pins.pin(5).drive_low()
        clock.advance(1)
        pins.pin(5).drive_high()
        clock.advance(1)
    assert not lid.unsteady()


def test_a_beam_that_stays_broken_takes_its_compartment_out_of_use(pins: Any, clock: ManualClock) -> None:
    beam, faults = switch(pins, clock, role="beam", compartment="glass"), Faults(clock)
    pins.pin(5).drive_low()
    watch = SensorWatch([beam], faults, clock)
    clock.advance(1)
    assert watch.full() == frozenset()
    pins.pin(5).drive_high()
    for _ in range(6):
        watch.tend()
        clock.advance(1)
    watch.tend()
    assert watch.full() == {"glass"}
    assert [fault.code for fault in faults.standing()] == ["chute_blocked"]
    pins.pin(5).drive_low()
    clock.advance(1)
    watch.tend()
    assert watch.full() == frozenset() and faults.standing() == ()


def test_an_item_that_breaks_the_beam_for_a_moment_is_remembered(pins: Any, clock: ManualClock) -> None:
    beam = switch(pins, clock, role="beam", compartment="glass")
    pins.pin(5).drive_low()
    clock.advance(1)
    from_s = clock.monotonic_s()
    assert not beam.active_since(from_s)
    clock.advance(0.2)
    pins.pin(5).drive_high()
    pins.pin(5).drive_low()
    clock.advance(3)
    assert beam.active_since(from_s)
    assert not beam.active_since(clock.monotonic_s())


@given(distances=st.lists(st.none() | st.floats(0, 500), max_size=30))
def test_a_level_is_a_share_and_full_has_a_hysteresis(distances: list[float | None]) -> None:
    level, was_full = FillLevel(GLASS), False
    for distance in distances:
        level.add(distance)
        if distance is None:
            assert level.full == was_full, "without an echo, what was known stays"
        else:
            assert level.percent is not None and 0 <= level.percent <= 100
            if level.percent >= 90:
                assert level.full
            elif level.percent < 80:
                assert not level.full
            else:
                assert level.full == was_full
        was_full = level.full


def test_levels_are_measured_one_after_another_and_published(clock: ManualClock) -> None:
    pinging: set[SimulatedRanger] = set()

    class Ranger(SimulatedRanger):
        def begin(self) -> None:
            pinging.add(self)
            assert len(pinging) == 1, "an echo may be another's"

        def end(self) -> float | None:
            pinging.remove(self)
            return super().end()

    paper = GLASS.model_copy(update={"compartment": "paper"})
    rangers = {"glass": Ranger(GLASS), "paper": Ranger(paper)}
    rangers["paper"].fill(95)
    said: list[tuple[str, int]] = []
    faults = Faults(clock)
    monitor = FillMonitor([GLASS, paper], rangers, faults, clock, lambda name, percent: said.append((name, percent)))

    def run(seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            monitor.tend()
            clock.advance(0.1)

    run(5)
    assert said == [("glass", 0), ("paper", 95)]
    assert monitor.full() == {"paper"}
    rangers["paper"].fill(20)
    rangers["glass"].distance_cm = None
    run(120)
    assert monitor.full() == frozenset()
    [fault] = faults.standing()
    assert (fault.code, fault.message) == ("fill_sensor_failed", "no echo from the fill sensor of glass")
    rangers["glass"].fill(50)
    run(35)
    assert faults.standing() == ()
    assert dict(said) == {"glass": 50, "paper": 20}, "the newest of each"


@pytest.fixture
def echo_pins() -> Iterator[MockFactory]:
    factory = MockFactory()
    yield factory
    factory.close()


def test_gpiozeros_distance_sensor_is_read_in_centimetres(echo_pins: MockFactory) -> None:
    echo = echo_pins.pin(7)
    echo_pins.pin(6, pin_class=MockTriggerPin, echo_pin=echo, echo_time=0.005)  # 5 ms there and back: 86 cm
    ranger = UltrasonicRanger(GLASS, echo_pins)
    ranger.begin()
    assert ranger._sensor._queue.full.wait(20), "the pings came back"
    distance_cm = ranger.end()
    assert distance_cm is not None and 80 < distance_cm < 400, "a busy machine hears an echo late, never early"
    ranger.begin()
    ranger.close()
    ranger.close()


def test_without_an_echo_there_is_no_distance(echo_pins: MockFactory) -> None:
    ranger = UltrasonicRanger(GLASS, echo_pins)
    assert ranger.end() is None
    ranger.begin()
    assert ranger.end() is None, "nothing came back yet"
