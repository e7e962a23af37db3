"""gpiozero's mock pins and a stand-in for an I2C bus, for a simulated bin that runs on and on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin

from edge.sim.i2c import RecordingBus

STATES_KEPT = 20_000
"""A mock pin records all it was ever told; a bin that runs on would fill the memory with it."""


class SimulatedPin(MockPWMPin):  # type: ignore[misc]  # gpiozero ships no types
    """A mock pin that keeps its newest states, and tells a listener of each new one."""

    def __init__(self, factory: Any, info: Any) -> None:
        self.listeners: list[Callable[[float], None]] = []
        super().__init__(factory, info)

    def clear_states(self) -> None:
        super().clear_states()
        self.states: Any = deque(self.states, maxlen=STATES_KEPT)

    def _change_state(self, value: float) -> bool:
        changed = bool(super()._change_state(value))
        if changed:
            for listener in self.listeners:
                listener(value)
        return changed


class SimulatedPins(MockFactory):  # type: ignore[misc]
    """A pin factory without hardware."""

    def __init__(self) -> None:
        super().__init__(pin_class=SimulatedPin)
        self._buses: dict[int, RecordingBus] = {}

    def i2c(self, number: int) -> RecordingBus:
        """The I2C bus of that number, always the same."""
        return self._buses.setdefault(number, RecordingBus())
