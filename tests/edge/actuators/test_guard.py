"""Rules 1 and 2: nothing moves unless the guard allows it; every movement has a time limit and ends in neutral."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.actuators.duty import DutyLimit
from edge.actuators.guard import Guard, Safety
from edge.clock import ManualClock
from edge.errors import HardwareError, MotionInterrupted, MotionRefused, MotionStalled

TIMEOUT_S = 6.0
SAFE = Safety(lid_closed=True, estop_released=True, hand_clear=True, tray_still=True, maintenance=False)
COMPARTMENTS = ("residual", "glass", "paper")


@dataclass
class World:
    """What the sensors say, and everything the mechanism was told to do."""

    clock: ManualClock = field(default_factory=ManualClock)
    safety: Safety = SAFE
    told: list[str] = field(default_factory=list)


@dataclass
class ScriptedActuator:
    """A mechanism that takes `takes_s` for each of its steps, and to which `happens` happens at each of them."""

    world: World
    steps: int = 3
    takes_s: float = 0.1
    happens: Callable[[int], None] = lambda number: None
    asks: bool = True
    compartments: tuple[str, ...] = COMPARTMENTS

    def __enter__(self) -> ScriptedActuator:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def home(self, step: Callable[[], None]) -> None:
        self._move("home", step)

    def deliver(self, compartment: str, step: Callable[[], None]) -> None:
        self._move(compartment, step)

    def neutral(self) -> None:
        self.world.told.append("neutral")

    def _move(self, what: str, step: Callable[[], None]) -> None:
        for number in range(self.steps):
            self.happens(number)
            if self.asks:
                step()
            self.world.told.append(what)
            self.world.clock.advance(self.takes_s)


def guard_of(actuator: ScriptedActuator) -> Guard:
    return Guard(actuator, actuator.world.clock, lambda: actuator.world.safety, move_timeout_s=TIMEOUT_S)


CONDITIONS = ("lid", "estop", "hand", "tray", "maintenance", "full", "unknown", "homed", "acknowledged")
"""What must hold for a movement. A case breaks none, one, or a few of them: each alone must be enough to forbid."""
UNSAFE = {
    "lid": {"lid_closed": False},
    "estop": {"estop_released": False},
    "hand": {"hand_clear": False},
    "tray": {"tray_still": False},
    "maintenance": {"maintenance": True},
}
broken_conditions = st.sets(st.sampled_from(CONDITIONS), max_size=3)


@given(broken=broken_conditions, target=st.sampled_from(COMPARTMENTS))
@settings(max_examples=300)
def test_nothing_moves_unless_every_condition_allows_it(broken: set[str], target: str) -> None:
    actuator = ScriptedActuator(World())
    guard = guard_of(actuator)
    if "acknowledged" in broken:
        guard.confirmation_missed("an item still lies there")
    if "homed" not in broken:
        guard.home()
    actuator.world.told.clear()
    changes: dict[str, Any] = {}
    for condition in broken & UNSAFE.keys():
        changes |= UNSAFE[condition]
    actuator.world.safety = replace(SAFE, **changes, full=frozenset({target} if "full" in broken else {"elsewhere"}))
    asked = "nowhere" if "unknown" in broken else target
    if broken - ({"full"} if "unknown" in broken else set()):
        with pytest.raises(MotionRefused):
            guard.deliver(asked)
        assert actuator.world.told == []
    else:
        guard.deliver(asked)
        assert asked in actuator.world.told


@given(broken=st.sets(st.sampled_from(sorted(UNSAFE)), max_size=2))
def test_homing_is_a_movement_and_asks_the_same_conditions(broken: set[str]) -> None:
    safety = SAFE
    for condition in broken:
        safety = replace(safety, **UNSAFE[condition])
    actuator = ScriptedActuator(World(safety=safety))
    guard = guard_of(actuator)
    if broken:
        with pytest.raises(MotionRefused):
            guard.home()
        assert actuator.world.told == []
        assert not guard.homed
    else:
        guard.home()
        assert guard.homed


@given(
    steps=st.integers(0, 20),
    takes_s=st.floats(0.0, 2.0),
    asks=st.booleans(),
    trouble_at=st.none() | st.integers(0, 19),
    trouble=st.sampled_from(["lid", "estop", "hand", "maintenance", "error", "ctrl-c"]),
)
def test_every_movement_ends_in_neutral_and_in_its_time(
    steps: int, takes_s: float, asks: bool, trouble_at: int | None, trouble: str
) -> None:
    world = World()
    actuator = ScriptedActuator(world)
    guard = guard_of(actuator)
    guard.home()

    def happens(number: int) -> None:
        if number != trouble_at:
            return
        if trouble == "error":
            raise HardwareError("the servo is gone")
        if trouble == "ctrl-c":
            raise KeyboardInterrupt
        change = {
            "lid": {"lid_closed": False},
            "estop": {"estop_released": False},
            "hand": {"hand_clear": False},
            "maintenance": {"maintenance": True},
        }
        world.safety = replace(world.safety, **change[trouble])

    actuator.steps, actuator.takes_s, actuator.asks, actuator.happens = steps, takes_s, asks, happens
    world.told.clear()
    started_s = world.clock.monotonic_s()
    failed = False
    try:
        guard.deliver("glass")
    except (HardwareError, KeyboardInterrupt):
        failed = True
    took_s = world.clock.monotonic_s() - started_s

    assert world.told[-1] == "neutral"
    assert failed == (not guard.homed)
    if took_s > TIMEOUT_S:
        assert failed, "a movement over its time is never taken for done"
        if asks:
            assert took_s <= TIMEOUT_S + takes_s, "it is stopped at the first step past its time"
    if trouble_at is not None and trouble_at < steps and asks:
        assert failed
    if failed:
        world.safety = SAFE
        with pytest.raises(MotionRefused, match="not homed"):
            guard.deliver("glass")


@given(first=st.sampled_from(["home", "acknowledge"]))
def test_after_a_stall_both_homing_and_a_person_are_needed(first: str) -> None:
    actuator = ScriptedActuator(World(), takes_s=TIMEOUT_S)
    guard = guard_of(actuator)
    actuator.takes_s = 0.1
    guard.home()
    actuator.takes_s = TIMEOUT_S
    with pytest.raises(MotionStalled):
        guard.deliver("glass")
    actuator.takes_s = 0.1
    for need in (first, "acknowledge" if first == "home" else "home"):
        with pytest.raises(MotionRefused):
            guard.deliver("glass")
        getattr(guard, need)()
    guard.deliver("glass")


def test_a_missed_confirmation_drops_the_home_reference_and_latches() -> None:
    guard = guard_of(ScriptedActuator(World()))
    guard.home()
    guard.confirmation_missed("an item still lies there")
    assert not guard.homed
    assert guard.latched == "an item still lies there"


def test_a_lid_opened_during_a_movement_needs_homing_but_no_person() -> None:
    actuator = ScriptedActuator(World())
    guard = guard_of(actuator)
    guard.home()
    actuator.happens = lambda number: setattr(actuator.world, "safety", replace(SAFE, lid_closed=False))
    with pytest.raises(MotionInterrupted, match="lid is open"):
        guard.deliver("glass")
    actuator.happens = lambda number: None
    actuator.world.safety = SAFE
    guard.home()
    guard.deliver("glass")


def test_an_estop_during_a_movement_needs_a_person() -> None:
    actuator = ScriptedActuator(World())
    guard = guard_of(actuator)
    guard.home()
    actuator.happens = lambda number: setattr(actuator.world, "safety", replace(SAFE, estop_released=False))
    with pytest.raises(MotionInterrupted):
        guard.deliver("glass")
    actuator.happens = lambda number: None
    actuator.world.safety = SAFE
    guard.home()
    with pytest.raises(MotionRefused, match="not acknowledged: e-stop"):
        guard.deliver("glass")


def test_a_condition_that_nobody_reports_forbids() -> None:
    assert len(Safety().forbids()) == 5


@given(
    pauses_s=st.lists(st.floats(0, 30), min_size=1, max_size=40),
    targets=st.lists(st.sampled_from(COMPARTMENTS), min_size=40, max_size=40),
    takes_s=st.floats(0.0, 1.0),
    most=st.integers(1, 10),
)
def test_no_minute_holds_more_movements_or_more_current_than_the_duty_limit(
    pauses_s: list[float], targets: list[str], takes_s: float, most: int
) -> None:
    world = World()
    actuator = ScriptedActuator(world, steps=1, takes_s=takes_s)
    duty = DutyLimit(most, {"glass": 2.0})
    guard = Guard(actuator, world.clock, lambda: world.safety, move_timeout_s=TIMEOUT_S, duty=duty)
    guard.home()
    made: list[tuple[str, float, float]] = [("home", 0.0, world.clock.monotonic_s())]
    for pause_s, target in zip(pauses_s, targets, strict=False):
        world.clock.advance(pause_s)
        refused, started_s = guard.refusals(target), world.clock.monotonic_s()
        if refused:
            with pytest.raises(MotionRefused, match=r"max_moves_per_min|must cool"):
                guard.deliver(target)
        else:
            guard.deliver(target)
            made.append((target, started_s, world.clock.monotonic_s()))
    for _, _, until_s in made:
        minute = [move for move in made if until_s - 60 < move[2] and move[1] <= until_s]
        assert len([move for move in minute if move[2] <= until_s]) <= most
        assert sum(end - start for name, start, end in minute if name == "glass" and end <= until_s) <= 2.0 + takes_s


def test_a_duty_limit_says_when_it_goes_on() -> None:
    world = World()
    guard = Guard(
        ScriptedActuator(world), world.clock, lambda: world.safety, move_timeout_s=TIMEOUT_S, duty=DutyLimit(2)
    )
    guard.home()
    guard.deliver("glass")
    [reason] = guard.refusals("glass")
    assert reason == "2 movements in the last 60 s, actuator.max_moves_per_min allows 2; again in 60 s"
    world.clock.advance(61)
    assert guard.refusals("glass") == ()


def test_homing_counts_as_a_movement() -> None:
    world = World()
    guard = Guard(
        ScriptedActuator(world), world.clock, lambda: world.safety, move_timeout_s=TIMEOUT_S, duty=DutyLimit(1)
    )
    guard.home()
    with pytest.raises(MotionRefused, match="not homing: 1 movements"):
        guard.home()
