"""What the simulated mechanism does, read off the mock pins: the pulses that real servos, motors and coils would get.

An item leaves only when the right movement was really made. `fault` makes the mechanism fail; the driver that moves it
does not know.
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Protocol

from edge.config import ActuatorConfig, BoardChannel, Carousel, Flap, Gates, Mechanism, ServoGate
from edge.domain import Clock
from edge.sim.pins import SimulatedPins

FRAME_MS = 20.0
"""A servo's pulse is repeated every 20 ms."""
HANG_S = 1.0
UNDER_DEG = 5.0
"""A compartment of the carousel takes an item when it is no further than this from the trapdoor."""


class MechanismFault(Enum):
    """What can be wrong with it."""

    JAM = "jam"  # it moves, and the item sticks
    UNPOWER = "unpower"  # pulses come, nothing moves
    STALL = "stall"  # every pulse takes a second: a bus that hangs, a computer that is overwhelmed


class SimulatedMechanism(Protocol):
    """A mechanism that follows its pins."""

    fault: MechanismFault | None

    def open_over(self) -> str | None:
        """The compartment into which an item falls at this moment, else None."""
        ...


class _Base:
    def __init__(self, config: Mechanism, clock: Clock, pins: SimulatedPins) -> None:
        self._mechanism = config
        self._clock = clock
        self._pins = pins
        self._angles_deg: dict[int | BoardChannel, float] = {}
        self.fault: MechanismFault | None = None
        for pin in config.pins:
            pins.pin(pin).listeners.append(lambda _, pin=pin: self._follow(pin))
        for _, output in config.outputs():
            if isinstance(output, BoardChannel):
                pins.i2c(config.i2c_bus).listeners.append(partial(self._follow, output))

    def _follow(self, output: int | BoardChannel) -> None:
        """Servos follow their pulses at once, and stay where they are without them."""
        pulse_ms = self._pulse_ms(output)
        if pulse_ms is not None and self.fault is not MechanismFault.UNPOWER:
            low_ms, high_ms = self._mechanism.pulse_ms
            self._angles_deg[output] = (pulse_ms - low_ms) / (high_ms - low_ms) * 180.0 - 90.0
        if self.fault is MechanismFault.STALL:
            self._clock.sleep(HANG_S)

    def _pulse_ms(self, output: int | BoardChannel) -> float | None:
        if isinstance(output, BoardChannel):
            return self._pins.i2c(self._mechanism.i2c_bus).boards[output.board].pulse_ms(output.channel)
        pin = self._pins.pin(output)
        return None if pin.frequency is None else float(pin.state * FRAME_MS)

    def _is_open(self, output: int | BoardChannel, closed_deg: float, open_deg: float) -> bool:
        """Whether a servo's door is more than half open; an item that sticks does not care."""
        away_deg = abs(self._angles_deg.get(output, closed_deg) - closed_deg)
        return away_deg >= abs(open_deg - closed_deg) / 2 and self.fault is not MechanismFault.JAM


class SimulatedFlap(_Base):
    """A flap over a chute."""

    def __init__(self, config: Flap, clock: Clock, pins: SimulatedPins) -> None:
        super().__init__(config, clock, pins)
        self._config = config

    def open_over(self) -> str | None:
        config = self._config
        turn_deg = 0.0 if config.turn_pin is None else self._angles_deg.get(config.turn_pin, 0.0)
        if not self._is_open(config.tilt_pin, config.closed_deg, config.open_deg):
            return None
        return min(config.positions, key=lambda name: abs(config.positions[name].turn_deg - turn_deg))


class SimulatedGates(_Base):
    """Gates on servos and solenoids."""

    def __init__(self, config: Gates, clock: Clock, pins: SimulatedPins) -> None:
        super().__init__(config, clock, pins)
        self._config = config

    def open_over(self) -> str | None:
        opened = [name for name, gate in self._config.positions.items() if self._gate_open(name)]
        return opened[0] if opened else None

    def _gate_open(self, name: str) -> bool:
        gate = self._config.positions[name]
        if isinstance(gate, ServoGate):
            return self._is_open(gate.pin, gate.closed_deg, gate.open_deg)
        pin = self._pins.pin(gate.pin)
        # Before its driver claims it, a pin is an input and no current flows.
        return self.fault is None and pin.function == "output" and bool(pin.state) == gate.active_high


class SimulatedCarousel(_Base):
    """A stepper that takes every step it is told, and a home switch that says so."""

    def __init__(self, config: Carousel, clock: Clock, pins: SimulatedPins, *, at_deg: float = 100.0) -> None:
        super().__init__(config, clock, pins)
        self._config = config
        self.at_steps = round(at_deg / 360.0 * config.steps_per_turn)
        pins.pin(config.step_pin).listeners.append(self._on_step)

    def slip(self, steps: int) -> None:
        """Lose or gain steps, as when something is in the way or a hand turns it."""
        self.at_steps = (self.at_steps + steps) % self._config.steps_per_turn
        self._drive_home()

    def open_over(self) -> str | None:
        config = self._config
        if not self._is_open(config.trapdoor_pin, config.closed_deg, config.open_deg):
            return None
        at_deg = self.at_steps * 360.0 / config.steps_per_turn

        def away_deg(name: str) -> float:
            return abs((config.positions[name].at_deg - at_deg + 180.0) % 360.0 - 180.0)

        nearest = min(config.positions, key=away_deg)
        return nearest if away_deg(nearest) <= UNDER_DEG else None

    def _on_step(self, state: float) -> None:
        config = self._config
        enabled = config.enable_pin is None or not self._pins.pin(config.enable_pin).state
        if state and enabled and self.fault is not MechanismFault.UNPOWER:
            forward = bool(self._pins.pin(config.direction_pin).state) != config.reverse
            self.at_steps = (self.at_steps + (1 if forward else -1)) % config.steps_per_turn
        self._drive_home()

    def _drive_home(self) -> None:
        config = self._config
        closed = self.at_steps <= config.home.width_deg / 360.0 * config.steps_per_turn
        pin = self._pins.pin(config.home.pin)
        if closed == config.home.pull_up:
            pin.drive_low()
        else:
            pin.drive_high()


def simulate(config: ActuatorConfig, clock: Clock, pins: SimulatedPins) -> SimulatedMechanism:
    """The simulated mechanism that the config names."""
    if isinstance(config, Carousel):
        return SimulatedCarousel(config, clock, pins)
    if isinstance(config, Gates):
        return SimulatedGates(config, clock, pins)
    return SimulatedFlap(config, clock, pins)
