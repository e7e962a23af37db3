"""Compartments that a stepper motor turns under a trapdoor; a servo opens the trapdoor when the right one is there.

After every delivery the carousel turns back to its home switch: a motor that lost steps is noticed with the item that
fell wrongly, not with the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from edge.actuators.servo import RampedServo, Servos, wait
from edge.actuators.stepper import HomedStepper
from edge.config import Carousel
from edge.domain import Clock
from edge.errors import HardwareError

log = logging.getLogger(__name__)


class CarouselActuator:
    """Drives the carousel. Only `edge.actuators.guard.Guard` calls it."""

    def __init__(self, config: Carousel, clock: Clock, pin_factory: Any) -> None:
        self.compartments = tuple(config.positions)
        self._config = config
        self._clock = clock
        self._servos = Servos(config, clock, pin_factory)
        self._motor = HomedStepper(config, clock, pin_factory)
        self._trapdoor: RampedServo | None = None

    def __enter__(self) -> CarouselActuator:
        """Claim the pins. Nothing moves yet.

        Raises:
            HardwareError: a pin is in use, cannot do PWM, or does not exist; a board does not answer.
        """
        try:
            self._motor.open()
            self._trapdoor = self._servos.open(self._config.trapdoor_pin)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.neutral()
        self._release()

    def home(self, step: Callable[[], None]) -> None:
        """Close the trapdoor, then find the home switch."""
        self._opened().seek(self._config.closed_deg, step)
        self._motor.find_home(step)

    def deliver(self, compartment: str, step: Callable[[], None]) -> None:
        """Turn the compartment under the trapdoor, open it, let the item fall, close it, turn back home."""
        trapdoor, target = self._opened(), self._steps_of(compartment)
        self._motor.turn_to(target, step)
        self._open_over(target, trapdoor, step)
        wait(self._config.hold_open_s, self._clock, step)
        trapdoor.ramp(self._config.closed_deg, step)
        trapdoor.detach()
        self._motor.rest(step)

    def neutral(self) -> None:
        """Close the trapdoor at once, and cut the currents of both motors."""
        if self._trapdoor is not None:  # else no pins are claimed: nothing can have moved
            self._trapdoor.settle(self._config.closed_deg)
        try:
            self._motor.release()
        except Exception:  # called in `finally`: it must not hide the first error
            log.exception("the stepper's driver could not be switched off")

    def _open_over(self, target_steps: int, trapdoor: RampedServo, step: Callable[[], None]) -> None:
        if self._motor.at_steps != target_steps:
            raise HardwareError(
                f"the trapdoor stays closed: the carousel stands at step {self._motor.at_steps}, not at {target_steps}"
            )
        trapdoor.ramp(self._config.open_deg, step)

    def _steps_of(self, compartment: str) -> int:
        turn = self._config.steps_per_turn
        return round(self._config.positions[compartment].at_deg / 360.0 * turn) % turn

    def _opened(self) -> RampedServo:
        if self._trapdoor is None:
            raise HardwareError("the carousel is not open; use it in a with statement")
        return self._trapdoor

    def _release(self) -> None:
        self._motor.close()
        self._servos.close()
        self._trapdoor = None
