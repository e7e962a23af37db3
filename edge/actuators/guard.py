"""The guard: the only way to the actuator.

Nothing moves unless every condition allows it. Every movement has a time limit and ends in `neutral()`. A stall, a
missed confirmation or an e-stop during a movement drops the home reference and refuses everything until the mechanism
is homed again *and* a person has acknowledged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.actuators.duty import DutyLimit
from edge.domain import Actuator, Clock
from edge.errors import MotionInterrupted, MotionRefused, MotionStalled


@dataclass(frozen=True)
class Safety:
    """What the sensors say at one moment. The defaults forbid: a condition that nobody has reported is not met."""

    lid_closed: bool = False
    estop_released: bool = False
    hand_clear: bool = False  # no hand in the opening, where a sensor looks for one
    tray_still: bool = False  # no hand and no motion in the tray
    maintenance: bool = True
    full: frozenset[str] = frozenset()
    active: tuple[str, ...] = ()  # the switches and beams that are active, by name; for the record, forbids nothing

    def forbids(self, *, moving: bool = False) -> tuple[str, ...]:
        """Why nothing may move, in words; empty when it may. moving: the flap itself is the motion in the tray."""
        reasons = []
        if not self.estop_released:
            reasons.append("e-stop is pressed")
        if not self.lid_closed:
            reasons.append("the lid is open")
        if not self.hand_clear:
            reasons.append("a hand is in the opening")
        if self.maintenance:
            reasons.append("the bin is in maintenance")
        if not self.tray_still and not moving:
            reasons.append("a hand or motion is in the tray")
        return tuple(reasons)


class Guard:
    """Stands in front of an actuator. Safe to call from any thread; one movement at a time."""

    def __init__(
        self,
        actuator: Actuator,
        clock: Clock,
        safety: Callable[[], Safety],
        *,
        move_timeout_s: float,
        duty: DutyLimit | None = None,
    ) -> None:
        self._actuator = actuator
        self._clock = clock
        self._safety = safety
        self._move_timeout_s = move_timeout_s
        self._duty = duty or DutyLimit()
        self._moving = threading.Lock()
        self._homed = False
        self._latched: str | None = None

    @property
    def homed(self) -> bool:
        return self._homed

    @property
    def moving(self) -> bool:
        """Whether a movement is under way."""
        return self._moving.locked()

    @property
    def latched(self) -> str | None:
        """What a person must acknowledge; None when nothing."""
        return self._latched

    def safety(self) -> Safety:
        """What the sensors say now."""
        return self._safety()

    def refusals(self, compartment: str) -> tuple[str, ...]:
        """Why `deliver(compartment)` would be refused now; empty when it would not."""
        safety = self._safety()
        reasons = list(safety.forbids())
        if compartment not in self._actuator.compartments:
            reasons.append(f"there is no compartment {compartment!r}, only {', '.join(self._actuator.compartments)}")
        if compartment in safety.full:
            reasons.append(f"compartment {compartment} is full")
        reasons += self._duty.refusals(compartment, self._clock.monotonic_s())
        if not self._homed:
            reasons.append("the mechanism is not homed")
        if self._latched:
            reasons.append(f"not acknowledged: {self._latched}")
        return tuple(reasons)

    def home_refusals(self) -> tuple[str, ...]:
        """Why `home()` would be refused now; empty when it would not."""
        return (*self._safety().forbids(), *self._duty.refusals(None, self._clock.monotonic_s()))

    def deliver(self, compartment: str, watch: Callable[[], None] = lambda: None) -> None:
        """Drop the item into `compartment`, then go to neutral. `watch` is called before every small movement.

        Raises:
            MotionRefused: a condition forbids it; nothing moved.
            MotionStalled: it did not finish in its time; home is lost and a person must acknowledge.
            MotionInterrupted: a condition changed while it moved; home is lost.
        """
        with self._moving:
            refusals = self.refusals(compartment)
            if refusals:
                raise MotionRefused(f"not moving to {compartment}: {'; '.join(refusals)}")
            self._move(compartment, lambda step: self._actuator.deliver(compartment, step), watch)

    def home(self, watch: Callable[[], None] = lambda: None) -> None:
        """Find the reference position. Raises as `deliver` does."""
        with self._moving:
            forbidden = self.home_refusals()
            if forbidden:
                raise MotionRefused(f"not homing: {'; '.join(forbidden)}")
            self._homed = False
            self._move(None, self._actuator.home, watch)
            self._homed = True

    def confirmation_missed(self, what: str) -> None:
        """The camera did not see what it should after a movement: home is lost and a person must acknowledge."""
        self._homed, self._latched = False, what

    def acknowledge(self) -> None:
        """A person has looked. Movement still needs `home()`."""
        self._latched = None

    def _move(
        self, compartment: str | None, movement: Callable[[Callable[[], None]], None], watch: Callable[[], None]
    ) -> None:
        started_s = self._clock.monotonic_s()
        deadline_s = started_s + self._move_timeout_s

        def step() -> None:
            watch()
            if self._clock.monotonic_s() > deadline_s:
                raise MotionStalled(f"the movement took longer than {self._move_timeout_s} s; is something in the way?")
            safety = self._safety()
            if not safety.estop_released:
                self._latched = "e-stop during a movement"
            forbidden = safety.forbids(moving=True)
            if forbidden:
                raise MotionInterrupted(f"movement cut short: {'; '.join(forbidden)}")

        try:
            movement(step)
            step()  # a movement that ends late, or without asking, is judged all the same
        except BaseException as error:
            self._homed = False
            if not isinstance(error, MotionInterrupted):
                self._latched = self._latched or str(error) or type(error).__name__
            raise
        finally:
            self._actuator.neutral()
            self._duty.moved(compartment, started_s, self._clock.monotonic_s())
