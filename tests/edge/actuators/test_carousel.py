"""The carousel on mock pins: how it turns, and that it knows when it is not where it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.actuators.stepper import ramp_s
from edge.errors import HardwareError, HomeLost
from edge.sim.mechanism import MechanismFault
from tests.mechanisms import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig("carousel")
    with rig.actuator:
        yield rig


def nothing() -> None:
    """A step that allows everything."""


def home(rig: Rig) -> None:
    rig.actuator.home(nothing)
    rig.actuator.neutral()


@given(steps=st.integers(0, 3000), start=st.floats(10, 500), more=st.floats(0, 1500), acceleration=st.floats(1, 1e5))
def test_it_speeds_up_and_slows_down_and_is_never_too_fast(
    steps: int, start: float, more: float, acceleration: float
) -> None:
    speeds = [1 / pause_s for pause_s in ramp_s(steps, start, start + more, acceleration)]
    assert len(speeds) == steps
    assert all(start * 0.999 <= speed <= (start + more) * 1.001 for speed in speeds)
    if steps:
        assert speeds[0] == speeds[-1] == pytest.approx(start)
    for before, after in pairwise(speeds):
        assert abs(after**2 - before**2) <= 2 * acceleration * 1.001 + 1e-6, "v² = v₀² + 2 a s"


@pytest.mark.parametrize("at_deg", [0.0, 4.0, 9.9, 12.0, 180.0, 359.0])
def test_it_finds_home_from_wherever_it_stands(rig: Rig, at_deg: float) -> None:
    rig.simulated.slip(round(at_deg / 360 * 1600) - rig.simulated.at_steps)
    home(rig)
    assert rig.simulated.at_steps == pytest.approx(5 / 360 * 1600, abs=3), "the middle of the home switch"


def test_it_turns_the_shortest_way_round(rig: Rig) -> None:
    home(rig)
    turned: list[int] = []
    rig.pins.pin(22).listeners.append(lambda state: turned.append(rig.simulated.at_steps))
    rig.actuator.deliver("glass", nothing)  # at 324 degrees: back over 0, 41 degrees
    assert len(set(turned)) == pytest.approx(41 / 360 * 1600, abs=5)


@pytest.mark.parametrize("slipped", [60, -60, 400, -700])
def test_lost_steps_are_noticed_with_the_item_that_fell_wrongly(rig: Rig, slipped: int) -> None:
    home(rig)
    once = [slipped]

    def something_in_the_way() -> None:
        if rig.simulated.at_steps > 300 and once:
            rig.simulated.slip(once.pop())

    with pytest.raises(HomeLost, match="not where it was sent"):
        rig.actuator.deliver("paper", something_in_the_way)
    rig.actuator.neutral()
    with pytest.raises(HardwareError, match="before it was homed"):
        rig.actuator.deliver("paper", nothing)
    home(rig)
    rig.actuator.deliver("paper", nothing)


def test_a_carousel_turned_by_hand_between_items_is_noticed_before_the_next_falls(rig: Rig) -> None:
    home(rig)
    rig.simulated.slip(200)
    with pytest.raises(HomeLost):
        rig.actuator.deliver("paper", lambda: pytest.fail("nothing may move"))


def test_a_motor_without_power_never_finds_home(rig: Rig) -> None:
    rig.simulated.fault = MechanismFault.UNPOWER
    with pytest.raises(HomeLost, match="does not close within a turn"):
        rig.actuator.home(nothing)


def test_a_home_switch_that_is_stuck_is_told(rig: Rig) -> None:
    rig.simulated._drive_home = lambda: rig.pins.pin(25).drive_low()
    rig.simulated.slip(0)
    with pytest.raises(HomeLost, match="does not open within a turn"):
        rig.actuator.home(nothing)


def test_the_trapdoor_stays_closed_when_the_carousel_does_not_stand_at_the_compartment(rig: Rig) -> None:
    home(rig)
    motor = rig.actuator._motor
    turn_to = motor.turn_to
    motor.turn_to = lambda target, step: turn_to(target - 100, step)
    with pytest.raises(HardwareError, match="the trapdoor stays closed"):
        rig.actuator.deliver("metal", lambda: None)
    assert rig.simulated.open_over() is None


def test_the_drivers_enable_is_active_low(rig: Rig) -> None:
    assert rig.pins.pin(24).state == 1, "off"
    states: list[float] = []
    rig.actuator.home(lambda: states.append(rig.pins.pin(24).state))
    assert states[-1] == 0, "on while it turns"
    rig.actuator.neutral()
    assert rig.pins.pin(24).state == 1
