"""An HC-SR04 through gpiozero's DistanceSensor, which pings in a thread of its own while it is open."""

from __future__ import annotations

import warnings
from typing import Any

from gpiozero import DistanceSensor
from gpiozero.exc import DistanceSensorNoEcho, GPIOZeroError, PWMSoftwareFallback

from edge.config import FillSensor
from edge.errors import HardwareError

PING_S = 0.16
"""gpiozero waits 0.06 s between pings, and at most 0.1 s for an echo."""
RANGE_M = 4.0


class UltrasonicRanger:
    """Implements `edge.sensors.fill.Ranger`. The sensor is only open while it measures: old echoes are never taken."""

    def __init__(self, config: FillSensor, pin_factory: Any) -> None:
        self._config = config
        self._pin_factory = pin_factory
        self._sensor: DistanceSensor | None = None
        self.takes_s = config.readings * PING_S

    def begin(self) -> None:
        """Start pinging.

        Raises:
            HardwareError: a pin is in use, or does not exist.
        """
        # Both are told better elsewhere: no echo as a fault, the timing in docs/mechanics.md.
        warnings.simplefilter("ignore", PWMSoftwareFallback)
        warnings.simplefilter("ignore", DistanceSensorNoEcho)
        config = self._config
        try:
            self._sensor = DistanceSensor(
                config.echo_pin,
                config.trigger_pin,
                queue_len=config.readings,
                max_distance=RANGE_M,
                partial=True,
                pin_factory=self._pin_factory,
            )
        except GPIOZeroError as error:
            raise HardwareError(
                f"fill sensor of {config.compartment} on pins {config.trigger_pin} and {config.echo_pin}: {error}; "
                "expected two free pins"
            ) from error

    def end(self) -> float | None:
        """The median of the echoes, cm; None when there was none."""
        if self._sensor is None:
            return None
        distance_m = float(self._sensor.distance)
        self.close()
        return 100.0 * distance_m if 0.0 < distance_m < RANGE_M else None  # 0: gpiozero heard nothing

    def close(self) -> None:
        """Stop pinging and give the pins back; may be called twice."""
        if self._sensor is not None:
            self._sensor.close()
            self._sensor = None
