"""A trapdoor under the item on one servo, and below it a chute that a second servo turns to the compartment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.actuators.servo import RampedServo, Servos, wait
from edge.config import Flap
from edge.domain import Clock
from edge.errors import HardwareError


class FlapActuator:
    """Drives the flap. Only `edge.actuators.guard.Guard` calls it."""

    def __init__(self, config: Flap, clock: Clock, pin_factory: Any) -> None:
        self.compartments = tuple(config.positions)
        self._config = config
        self._clock = clock
        self._servos = Servos(config, clock, pin_factory)
        self._tilt: RampedServo | None = None
        self._turn: RampedServo | None = None

    def __enter__(self) -> FlapActuator:
        """Claim the pins. Nothing moves yet.

        Raises:
            HardwareError: a pin is in use, cannot do PWM, or does not exist; a board does not answer.
        """
        try:
            self._tilt = self._servos.open(self._config.tilt_pin)
            if self._config.turn_pin is not None:
                self._turn = self._servos.open(self._config.turn_pin)
        except BaseException:
            self._tilt = None
            self._servos.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.neutral()
        self._servos.close()
        self._tilt = self._turn = None

    def home(self, step: Callable[[], None]) -> None:
        """Close the flap, then turn the chute to its middle.

        Where they stand is unknown, so there is no ramp, but time for the whole way.
        """
        self._opened().seek(self._config.closed_deg, step)
        if self._turn is not None:
            self._turn.seek(0.0, step)

    def deliver(self, compartment: str, step: Callable[[], None]) -> None:
        """Turn the chute, open the flap, let the item slide off, close the flap."""
        tilt = self._opened()
        if self._turn is not None:
            self._turn.ramp(self._config.positions[compartment].turn_deg, step)
        tilt.ramp(self._config.open_deg, step)
        wait(self._config.hold_open_s, self._clock, step)
        tilt.ramp(self._config.closed_deg, step)

    def neutral(self) -> None:
        """Close the flap at once and let go of both servos. The chute may point anywhere: it is below a closed flap."""
        if self._tilt is not None:  # else no pins are claimed: nothing can have moved
            self._tilt.settle(self._config.closed_deg)
        if self._turn is not None:
            self._turn.detach()

    def _opened(self) -> RampedServo:
        if self._tilt is None:
            raise HardwareError("the flap is not open; use it in a with statement")
        return self._tilt
