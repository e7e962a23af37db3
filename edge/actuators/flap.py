"""A trapdoor under the item on one servo, and below it a chute that a second servo turns to the compartment.

Hobby servos give no feedback: the camera is what confirms a movement (edge/sorter.py). They are detached after each
movement, so that they neither hum nor burn when something blocks them. Power them from their own 5 V supply, never
from the computer's pins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gpiozero import AngularServo
from gpiozero.exc import GPIOZeroError

from edge.config import Flap
from edge.domain import Clock
from edge.errors import HardwareError

log = logging.getLogger(__name__)

TICK_S = 0.02
"""A servo reads one pulse every 20 ms: a finer ramp would not be seen."""


class RampedServo:
    """A hobby servo that moves at a limited speed and remembers where it was sent.

    A servo has no feedback and, once detached, gpiozero no longer knows its angle: `angle_deg` is the last one sent.
    """

    def __init__(self, pin: int, pulse_ms: tuple[float, float], speed_deg_s: float, pin_factory: Any) -> None:
        low_ms, high_ms = pulse_ms
        try:
            self._servo = AngularServo(
                pin,
                initial_angle=None,  # nothing moves before it is told to
                min_angle=-90,
                max_angle=90,
                min_pulse_width=low_ms / 1000,
                max_pulse_width=high_ms / 1000,
                pin_factory=pin_factory,
            )
        except GPIOZeroError as error:
            raise HardwareError(f"servo on pin {pin}: {error}; expected a free pin that can do PWM") from error
        self._stride_deg = speed_deg_s * TICK_S
        self.angle_deg: float | None = None

    def send(self, angle_deg: float) -> None:
        """Go there as fast as the servo can."""
        self._servo.angle = angle_deg
        self.angle_deg = angle_deg

    def ramp(self, target_deg: float, clock: Clock, step: Callable[[], None]) -> None:
        """Go there at the limited speed, asking `step` before every small movement."""
        angle_deg = target_deg if self.angle_deg is None else self.angle_deg
        arrived = False
        while not arrived:
            angle_deg += max(-self._stride_deg, min(self._stride_deg, target_deg - angle_deg))
            step()
            self.send(angle_deg)
            clock.sleep(TICK_S)
            arrived = abs(target_deg - angle_deg) < 1e-9

    def detach(self) -> None:
        """Stop the pulses: the servo goes limp."""
        self._servo.detach()

    def close(self) -> None:
        """Give the pin back."""
        self._servo.close()


class FlapActuator:
    """Drives the flap. Only `edge.actuators.guard.Guard` calls it."""

    def __init__(self, config: Flap, clock: Clock, pin_factory: Any) -> None:
        self.compartments = tuple(config.positions)
        self._config = config
        self._clock = clock
        self._pin_factory = pin_factory
        self._tilt: RampedServo | None = None
        self._turn: RampedServo | None = None

    def __enter__(self) -> FlapActuator:
        """Claim the pins. Nothing moves yet.

        Raises:
            HardwareError: a pin is in use, cannot do PWM, or does not exist.
        """
        config = self._config
        self._tilt = RampedServo(config.tilt_pin, config.pulse_ms, config.speed_deg_s, self._pin_factory)
        if config.turn_pin is not None:
            self._turn = RampedServo(config.turn_pin, config.pulse_ms, config.speed_deg_s, self._pin_factory)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._tilt is not None:
            self.neutral()
        for servo in self._servos():
            servo.close()
        self._tilt = self._turn = None

    def home(self, step: Callable[[], None]) -> None:
        """Close the flap, then turn the chute to its middle.

        Where they stand is unknown, so there is no ramp, but time for the whole way.
        """
        for servo, angle_deg in zip(self._servos(), (self._config.closed_deg, 0.0), strict=False):
            step()
            servo.send(angle_deg)
            self._wait(180.0 / self._config.speed_deg_s, step)

    def deliver(self, compartment: str, step: Callable[[], None]) -> None:
        """Turn the chute, open the flap, let the item slide off, close the flap."""
        tilt, *turn = self._servos()
        for chute in turn:
            chute.ramp(self._config.positions[compartment].turn_deg, self._clock, step)
        tilt.ramp(self._config.open_deg, self._clock, step)
        self._wait(self._config.hold_open_s, step)
        tilt.ramp(self._config.closed_deg, self._clock, step)

    def neutral(self) -> None:
        """Close the flap at once and let go of both servos. The chute may point anywhere: it is below a closed flap."""
        if self._tilt is None:
            return  # no pins are claimed: nothing can have moved
        try:
            tilt = self._tilt
            away_deg = 180.0 if tilt.angle_deg is None else abs(tilt.angle_deg - self._config.closed_deg)
            tilt.send(self._config.closed_deg)
            self._clock.sleep(away_deg / self._config.speed_deg_s + TICK_S)
        except Exception:  # called in `finally`: it must neither hide the first error nor leave the servos on
            log.exception("the flap could not be closed")
        for servo in self._servos():
            try:
                servo.detach()
            except Exception:
                log.exception("a servo could not be let go")

    def _servos(self) -> list[RampedServo]:
        """The flap's servo, then the chute's when there is one.

        Raises:
            HardwareError: the actuator is not open.
        """
        if self._tilt is None:
            raise HardwareError("the flap is not open; use it in a with statement")
        return [self._tilt] if self._turn is None else [self._tilt, self._turn]

    def _wait(self, duration_s: float, step: Callable[[], None]) -> None:
        until_s = self._clock.monotonic_s() + duration_s
        while self._clock.monotonic_s() < until_s:
            step()
            self._clock.sleep(TICK_S)
