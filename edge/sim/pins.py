"""What the simulated mechanism does, read off gpiozero's mock pins: the pulses that a real servo would get."""

from __future__ import annotations

from typing import Any

from edge.config import Flap

FRAME_MS = 20.0
"""gpiozero repeats a servo's pulse every 20 ms."""


class SimulatedFlap:
    """Servos that follow their pulses at once and stay where they are when let go."""

    def __init__(self, config: Flap, pin_factory: Any) -> None:
        self._config = config
        self._pin_factory = pin_factory
        self._turn_deg = 0.0

    def open_over(self) -> str | None:
        """The compartment under the chute while the flap is more than half open, else None."""
        config = self._config
        tilt_deg = self._angle_deg(config.tilt_pin)
        if config.turn_pin is not None:
            turn_deg = self._angle_deg(config.turn_pin)
            self._turn_deg = self._turn_deg if turn_deg is None else turn_deg
        if tilt_deg is None or abs(tilt_deg - config.closed_deg) < abs(config.open_deg - config.closed_deg) / 2:
            return None
        return min(config.positions, key=lambda name: abs(config.positions[name].turn_deg - self._turn_deg))

    def _angle_deg(self, pin: int) -> float | None:
        """The angle that the pulse on a pin asks for; None without pulses."""
        mock = self._pin_factory.pin(pin)
        if mock.frequency is None:
            return None
        low_ms, high_ms = self._config.pulse_ms
        return float((mock.state * FRAME_MS - low_ms) / (high_ms - low_ms) * 180.0 - 90.0)
