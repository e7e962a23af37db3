"""A gate for each compartment: a servo turns it, or a solenoid holds it open against a spring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from gpiozero import DigitalOutputDevice
from gpiozero.exc import GPIOZeroError

from edge.actuators.servo import RampedServo, Servos, wait
from edge.config import Gates, ServoGate, SolenoidGate
from edge.domain import Clock
from edge.errors import HardwareError

log = logging.getLogger(__name__)


class Gate(Protocol):
    """One gate."""

    def seek(self, step: Callable[[], None]) -> None:
        """Close it from an unknown position."""
        ...

    def open(self, step: Callable[[], None]) -> None: ...

    def close(self, step: Callable[[], None]) -> None: ...

    def settle(self) -> None:
        """Close it at once and cut its current. Never raises."""
        ...

    def release(self) -> None:
        """Give its pin back."""
        ...


class OnServo:
    """A gate that a servo turns."""

    def __init__(self, config: ServoGate, servo: RampedServo) -> None:
        self._config = config
        self._servo = servo

    def seek(self, step: Callable[[], None]) -> None:
        self._servo.seek(self._config.closed_deg, step)
        self._servo.detach()  # one after the other: the supply feeds one that moves, not all of them

    def open(self, step: Callable[[], None]) -> None:
        self._servo.ramp(self._config.open_deg, step)

    def close(self, step: Callable[[], None]) -> None:
        self._servo.ramp(self._config.closed_deg, step)

    def settle(self) -> None:
        self._servo.settle(self._config.closed_deg)

    def release(self) -> None:
        self._servo.close()


class OnSolenoid:
    """A gate that springs shut without current."""

    def __init__(self, config: SolenoidGate, pin_factory: Any) -> None:
        try:
            self._coil = DigitalOutputDevice(config.pin, active_high=config.active_high, pin_factory=pin_factory)
        except GPIOZeroError as error:
            raise HardwareError(f"solenoid on pin {config.pin}: {error}; expected a free output pin") from error

    def seek(self, step: Callable[[], None]) -> None:
        step()
        self._coil.off()

    def open(self, step: Callable[[], None]) -> None:
        step()
        self._coil.on()

    def close(self, step: Callable[[], None]) -> None:
        self._coil.off()

    def settle(self) -> None:
        try:
            self._coil.off()
        except Exception:  # called in `finally`: it must not hide the first error
            log.exception("a solenoid could not be switched off")

    def release(self) -> None:
        self._coil.close()


class GatesActuator:
    """Drives the gates. Only `edge.actuators.guard.Guard` calls it."""

    def __init__(self, config: Gates, clock: Clock, pin_factory: Any) -> None:
        self.compartments = tuple(config.positions)
        self._config = config
        self._clock = clock
        self._pin_factory = pin_factory
        self._servos = Servos(config, clock, pin_factory)
        self._gates: dict[str, Gate] = {}

    def __enter__(self) -> GatesActuator:
        """Claim the pins. Nothing moves yet.

        Raises:
            HardwareError: a pin is in use, cannot do PWM, or does not exist; a board does not answer.
        """
        try:
            for name, gate in self._config.positions.items():
                self._gates[name] = self._open_gate(gate)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.neutral()
        self._release()

    def home(self, step: Callable[[], None]) -> None:
        """Close every gate, one after the other."""
        for gate in self._opened().values():
            gate.seek(step)

    def deliver(self, compartment: str, step: Callable[[], None]) -> None:
        """Open the compartment's gate, let the item fall, close it."""
        gate = self._opened()[compartment]
        gate.open(step)
        wait(self._config.hold_open_s, self._clock, step)
        gate.close(step)

    def neutral(self) -> None:
        """Close every gate that is not closed, and cut all currents."""
        for gate in self._gates.values():
            gate.settle()

    def _open_gate(self, config: ServoGate | SolenoidGate) -> Gate:
        if isinstance(config, ServoGate):
            return OnServo(config, self._servos.open(config.pin))
        return OnSolenoid(config, self._pin_factory)

    def _opened(self) -> dict[str, Gate]:
        if not self._gates:
            raise HardwareError("the gates are not open; use them in a with statement")
        return self._gates

    def _release(self) -> None:
        for gate in self._gates.values():
            gate.release()
        self._gates.clear()
        self._servos.close()
