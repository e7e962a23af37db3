"""A switch or light beam on a pin: lid, e-stop, or a full compartment."""

from __future__ import annotations

from typing import Any

from gpiozero import DigitalInputDevice
from gpiozero.exc import GPIOZeroError

from edge.config import Switch
from edge.errors import HardwareError


class SwitchSensor:
    """Reads one switch, debounced by gpiozero."""

    def __init__(self, config: Switch, pin_factory: Any) -> None:
        self.config = config
        try:
            self._device = DigitalInputDevice(
                config.pin, pull_up=config.pull_up, bounce_time=config.debounce_s or None, pin_factory=pin_factory
            )
        except GPIOZeroError as error:
            raise HardwareError(
                f"switch {config.role} on pin {config.pin}: {error}; expected a free input pin"
            ) from error

    def active(self) -> bool:
        """Whether the lid is open, e-stop is pressed, or the compartment is full."""
        closed = bool(self._device.value)  # gpiozero: 1 is active, which is low with a pull-up
        return closed == self.config.active_when_closed

    def close(self) -> None:
        """Give the pin back."""
        self._device.close()
