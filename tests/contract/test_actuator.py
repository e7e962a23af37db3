"""What every mechanism promises, whichever it is: `edge.domain.Actuator`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.actuators.select import open_actuator
from edge.errors import HardwareError, MotionInterrupted
from tests.mechanisms import COMPARTMENTS, MECHANISMS, Rig

LONGEST_SILENCE_S = 0.1
"""So long at most may pass between two calls of `step`: an e-stop is noticed within it."""


@pytest.fixture(params=sorted(MECHANISMS))
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig(request.param)
    yield rig
    rig.actuator.__exit__()
    rig.pins.close()


def nothing() -> None:
    """A step that allows everything."""


def count_steps(move: Callable[[Callable[[], None]], None]) -> int:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    move(step)
    return steps


def test_it_serves_the_compartments_of_its_config(rig: Rig) -> None:
    assert set(rig.actuator.compartments) == set(COMPARTMENTS)


def test_nothing_moves_when_it_is_opened(rig: Rig) -> None:
    with rig.actuator:
        assert rig.currents() == []


@pytest.mark.parametrize("compartment", COMPARTMENTS)
def test_an_item_falls_into_its_compartment_and_into_no_other(rig: Rig, compartment: str) -> None:
    fell: list[str | None] = []
    with rig.actuator as actuator:
        actuator.home(lambda: fell.append(rig.simulated.open_over()))
        actuator.neutral()
        assert set(fell) == {None}, "homing drops nothing"
        for _ in range(2):  # from home, and from wherever the first left it
            actuator.deliver(compartment, lambda: fell.append(rig.simulated.open_over()))
            actuator.neutral()
            assert set(fell) == {None, compartment}
            assert rig.simulated.open_over() is None


def test_every_movement_ends_without_any_current(rig: Rig) -> None:
    with rig.actuator as actuator:
        actuator.home(nothing)
        actuator.neutral()
        assert rig.currents() == []
        for compartment in COMPARTMENTS:
            actuator.deliver(compartment, nothing)
            actuator.neutral()
            assert rig.currents() == []


def test_it_asks_often_enough_for_an_emergency_stop_to_be_heard(rig: Rig) -> None:
    asked: list[float] = []

    def step() -> None:
        asked.append(rig.clock.monotonic_s())

    with rig.actuator as actuator:
        for move in (actuator.home, *(lambda s, c=c: actuator.deliver(c, s) for c in COMPARTMENTS)):
            asked[:] = [rig.clock.monotonic_s()]
            move(step)
            asked.append(rig.clock.monotonic_s())
            assert max(b - a for a, b in pairwise(asked)) <= LONGEST_SILENCE_S


def test_a_movement_takes_less_time_than_it_is_given(rig: Rig) -> None:
    with rig.actuator as actuator:
        for move in (actuator.home, *(lambda s, c=c: actuator.deliver(c, s) for c in COMPARTMENTS)):
            from_s = rig.clock.monotonic_s()
            move(nothing)
            assert rig.clock.monotonic_s() - from_s < rig.config.move_timeout_s


@pytest.mark.parametrize("name", sorted(MECHANISMS))
@settings(max_examples=15)
@given(target=st.sampled_from(("home", *COMPARTMENTS)), share=st.floats(0, 1))
def test_a_movement_cut_short_anywhere_ends_closed_and_without_current(name: str, target: str, share: float) -> None:
    def move(rig: Rig, step: Callable[[], None]) -> None:
        rig.actuator.home(step) if target == "home" else rig.actuator.deliver(target, step)

    whole, rig = Rig(name), Rig(name)
    with whole.actuator, rig.actuator:
        if target != "home":
            whole.actuator.home(nothing)
            rig.actuator.home(nothing)
        left = round(share * (count_steps(lambda step: move(whole, step)) - 1))

        def step() -> None:
            nonlocal left
            if left == 0:
                raise MotionInterrupted("the lid is open")
            left -= 1

        with pytest.raises(MotionInterrupted):
            move(rig, step)
        rig.actuator.neutral()
        assert rig.simulated.open_over() is None
        assert rig.currents() == []
        rig.actuator.home(nothing)
        fell: set[str | None] = set()
        rig.actuator.deliver("glass", lambda: fell.add(rig.simulated.open_over()))
        assert fell == {None, "glass"}, "homed again, it works as before"


def test_leaving_it_closes_it_even_in_the_middle_of_a_delivery(rig: Rig) -> None:
    def until_open() -> None:
        if rig.simulated.open_over() is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), rig.actuator as actuator:
        actuator.home(nothing)
        actuator.deliver("glass", until_open)
    assert rig.simulated.open_over() is None
    assert rig.currents() == []


def test_neutral_never_raises_opened_or_not(rig: Rig) -> None:
    rig.actuator.neutral()
    with pytest.raises(HardwareError, match="not open"):
        rig.actuator.deliver("glass", nothing)
    with rig.actuator as actuator:
        actuator.neutral()
        actuator.neutral()
    rig.actuator.neutral()


def test_it_may_be_left_twice_and_opened_again(rig: Rig) -> None:
    with rig.actuator:
        pass
    rig.actuator.__exit__()
    with rig.actuator as actuator:
        actuator.home(nothing)


@pytest.mark.parametrize("name", ["carousel", "flap", "gates"])
def test_pins_in_use_are_a_clear_error_and_nothing_stays_claimed(name: str) -> None:
    rig = Rig(name)
    other = open_actuator(rig.config, rig.clock, rig.pins)
    with rig.actuator, pytest.raises(HardwareError, match="in use"), other:
        pass
    with rig.actuator:
        pass
