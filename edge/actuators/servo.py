"""Hobby servos on pins and on PCA9685 boards.

They give no feedback: the camera is what confirms a movement (edge/sorter.py). They are detached after each movement,
so that they neither hum nor burn when something blocks them. Power them from their own 5 V supply, never from the
computer's pins.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

from gpiozero import AngularServo
from gpiozero.exc import GPIOZeroError

from edge.actuators.pca9685 import I2cBus, Pca9685, open_bus
from edge.config import BoardChannel, Mechanism
from edge.domain import Clock
from edge.errors import HardwareError

log = logging.getLogger(__name__)

TICK_S = 0.02
"""A servo reads one pulse every 20 ms: a finer ramp would not be seen."""


class Pulses(Protocol):
    """What a servo is plugged into."""

    def send(self, angle_deg: float) -> None: ...

    def detach(self) -> None: ...

    def close(self) -> None: ...


class PinPulses:
    """A GPIO pin that does PWM."""

    def __init__(self, pin: int, pulse_ms: tuple[float, float], pin_factory: Any) -> None:
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

    def send(self, angle_deg: float) -> None:
        self._servo.angle = angle_deg

    def detach(self) -> None:
        self._servo.detach()

    def close(self) -> None:
        self._servo.close()


class BoardPulses:
    """A channel of a PCA9685 board."""

    def __init__(self, board: Pca9685, channel: int, pulse_ms: tuple[float, float]) -> None:
        self._board = board
        self._channel = channel
        self._pulse_ms = pulse_ms

    def send(self, angle_deg: float) -> None:
        low_ms, high_ms = self._pulse_ms
        self._board.pulse(self._channel, low_ms + (angle_deg + 90.0) / 180.0 * (high_ms - low_ms))

    def detach(self) -> None:
        self._board.off(self._channel)

    def close(self) -> None:
        self.detach()


class RampedServo:
    """A servo that moves at a limited speed, within limits, and remembers where it was sent.

    A servo has no feedback and, once detached, nobody knows its angle: `angle_deg` is the last one sent.
    """

    def __init__(self, pulses: Pulses, limits_deg: tuple[float, float], speed_deg_s: float, clock: Clock) -> None:
        self._pulses = pulses
        self._limits_deg = limits_deg
        self._speed_deg_s = speed_deg_s
        self._clock = clock
        self._attached = False
        self.angle_deg: float | None = None

    def send(self, angle_deg: float) -> None:
        """Go there as fast as the servo can.

        Raises:
            HardwareError: it is outside the limits, and nothing was sent; or the servo's board does not answer.
        """
        self._check(angle_deg)
        self._attached = True
        self._pulses.send(angle_deg)
        self.angle_deg = angle_deg

    def ramp(self, target_deg: float, step: Callable[[], None]) -> None:
        """Go there at the limited speed, asking `step` before every small movement."""
        self._check(target_deg)
        stride_deg = self._speed_deg_s * TICK_S
        angle_deg = target_deg if self.angle_deg is None else self.angle_deg
        arrived = False
        while not arrived:
            left_deg = target_deg - angle_deg
            arrived = abs(left_deg) <= stride_deg
            angle_deg = target_deg if arrived else angle_deg + math.copysign(stride_deg, left_deg)
            step()
            self.send(angle_deg)
            self._clock.sleep(TICK_S)

    def _check(self, angle_deg: float) -> None:
        low_deg, high_deg = self._limits_deg
        if not low_deg <= angle_deg <= high_deg:
            raise HardwareError(
                f"a servo was asked for {angle_deg:g} degrees; actuator.limits_deg are {low_deg:g} to {high_deg:g}"
            )

    def seek(self, angle_deg: float, step: Callable[[], None]) -> None:
        """Go there from an unknown angle: no ramp, but time for the whole way."""
        step()
        self.send(angle_deg)
        wait(180.0 / self._speed_deg_s, self._clock, step)

    def settle(self, angle_deg: float) -> None:
        """Go there at once, unless it was let go there, and let go. Never raises: it is called in `finally`."""
        if not self._attached and self.angle_deg == angle_deg:
            return
        try:
            away_deg = 180.0 if self.angle_deg is None else abs(self.angle_deg - angle_deg)
            self.send(angle_deg)
            self._clock.sleep(away_deg / self._speed_deg_s + TICK_S)
        except Exception:  # it must neither hide the first error nor leave the servo on
            log.exception("a servo could not be sent to %g degrees", angle_deg)
        self.detach()

    def detach(self) -> None:
        """Stop the pulses: the servo goes limp. Never raises."""
        try:
            self._pulses.detach()
            self._attached = False
        except Exception:
            log.exception("a servo could not be let go")

    def close(self) -> None:
        """Give the pin back. Never raises."""
        try:
            self._pulses.close()
        except Exception:
            log.exception("a servo could not be given back")


class Servos:
    """The servos of one mechanism: opened by where they are plugged in, closed together."""

    def __init__(self, config: Mechanism, clock: Clock, pin_factory: Any) -> None:
        self._config = config
        self._clock = clock
        self._pin_factory = pin_factory
        self._opened: list[RampedServo] = []
        self._bus: I2cBus | None = None
        self._boards: dict[int, Pca9685] = {}

    def open(self, output: int | BoardChannel) -> RampedServo:
        """Claim a servo's pin or channel. Nothing moves.

        Raises:
            HardwareError: the pin is in use or cannot do PWM; the board does not answer.
        """
        config = self._config
        if isinstance(output, BoardChannel):
            pulses: Pulses = BoardPulses(self._board(output.board), output.channel, config.pulse_ms)
        else:
            pulses = PinPulses(output, config.pulse_ms, self._pin_factory)
        servo = RampedServo(pulses, config.limits_deg, config.speed_deg_s, self._clock)
        self._opened.append(servo)
        return servo

    def close(self) -> None:
        """Give everything back; may be called twice."""
        while self._opened:
            self._opened.pop().close()
        self._boards.clear()
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def _board(self, address: int) -> Pca9685:
        if self._bus is None:
            self._bus = open_bus(self._config.i2c_bus, self._pin_factory)
        if address not in self._boards:
            self._boards[address] = Pca9685(self._bus, address, self._clock)
        return self._boards[address]


def wait(duration_s: float, clock: Clock, step: Callable[[], None]) -> None:
    """Wait, asking `step` every 20 ms."""
    until_s = clock.monotonic_s() + duration_s
    while clock.monotonic_s() < until_s:
        step()
        clock.sleep(TICK_S)
