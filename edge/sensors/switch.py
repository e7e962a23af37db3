"""A switch or light beam on a pin: lid, e-stop, a hand, a full compartment, an item in a chute."""

from __future__ import annotations

from collections import deque
from typing import Any

from gpiozero import DigitalInputDevice
from gpiozero.exc import GPIOZeroError

from edge.config import Switch
from edge.domain import Clock
from edge.errors import HardwareError

UNSTEADY_CHANGES, UNSTEADY_S = 8, 5.0
"""So many changes within so many seconds are no person's doing: a loose wire, a worn contact."""


class SwitchSensor:
    """Reads one switch. Active counts at once; inactive only after it was steady for `debounce_s`."""

    def __init__(self, config: Switch, pin_factory: Any, clock: Clock) -> None:
        self.config = config
        self._clock = clock
        try:
            self._device = DigitalInputDevice(config.pin, pull_up=config.pull_up, pin_factory=pin_factory)
        except GPIOZeroError as error:
            raise HardwareError(
                f"switch {config.role} on pin {config.pin}: {error}; expected a free input pin"
            ) from error
        self._active_s = clock.monotonic_s()  # until it is known to be steady
        self._changes: deque[float] = deque(maxlen=UNSTEADY_CHANGES)
        # Edges are heard in gpiozero's thread: an item may break a beam for less than a cycle of the loop.
        self._device.when_activated = self._device.when_deactivated = self._changed

    @property
    def name(self) -> str:
        """For messages."""
        of = f" of {self.config.compartment}" if self.config.compartment else ""
        return f"{self.config.role}{of} (pin {self.config.pin})"

    def active(self) -> bool:
        """Whether the lid is open, e-stop is pressed, a hand is there, the compartment is full, the beam is broken."""
        now_s = self._clock.monotonic_s()
        if self._raw():
            self._active_s = now_s
            return True
        return now_s - self._active_s < self.config.debounce_s or self.unsteady()

    def active_since(self, from_s: float) -> bool:
        """Whether it was active at any moment since then, `Clock.monotonic_s()`."""
        return self._raw() or self._active_s >= from_s

    def unsteady(self) -> bool:
        """Whether it has changed so often in the last seconds that it is not to be believed; it reads active then."""
        changes = list(self._changes)
        return (
            len(changes) == UNSTEADY_CHANGES
            and changes[-1] - changes[0] <= UNSTEADY_S
            and self._clock.monotonic_s() - changes[-1] <= UNSTEADY_S
        )

    def close(self) -> None:
        """Give the pin back."""
        self._device.close()

    def _raw(self) -> bool:
        closed = bool(self._device.value)  # gpiozero: 1 is active, which is low with a pull-up
        return closed == self.config.active_when_closed

    def _changed(self) -> None:
        now_s = self._clock.monotonic_s()
        self._active_s = now_s  # before or after this edge it was active
        if not self._changes or now_s - self._changes[-1] >= self.config.debounce_s:  # a contact bounces
            self._changes.append(now_s)
