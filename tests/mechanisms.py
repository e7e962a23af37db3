"""The mechanisms that tests use: one of each kind, on mock pins, with the simulated mechanism that follows them."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from edge.actuators.pins import open_pin_factory
from edge.actuators.select import open_actuator
from edge.clock import ManualClock
from edge.config import ActuatorConfig, BoardChannel, SolenoidGate
from edge.sim.mechanism import simulate

COMPARTMENTS = ("residual", "paper", "plastic", "metal", "glass")
TURNS_DEG = dict(zip(COMPARTMENTS, (0, -80, -40, 40, 80), strict=True))
AT_DEG = dict(zip(COMPARTMENTS, (36, 108, 180, 252, 324), strict=True))

MECHANISMS: dict[str, dict[str, Any]] = {
    "flap": {
        "type": "flap",
        "tilt_pin": 17,
        "turn_pin": 18,
        "positions": {name: {"turn_deg": deg} for name, deg in TURNS_DEG.items()},
    },
    "flap-on-board": {
        "type": "flap",
        "tilt_pin": {"channel": 0},
        "turn_pin": {"channel": 1},
        "positions": {name: {"turn_deg": deg} for name, deg in TURNS_DEG.items()},
    },
    "carousel": {
        "type": "carousel",
        "trapdoor_pin": 17,
        "step_pin": 22,
        "direction_pin": 23,
        "enable_pin": 24,
        "home": {"pin": 25},
        "steps_per_turn": 1600,
        "positions": {name: {"at_deg": deg} for name, deg in AT_DEG.items()},
    },
    "gates": {
        "type": "gates",
        "move_timeout_s": 8,
        "positions": {
            **{name: {"type": "servo", "pin": pin} for pin, name in enumerate(COMPARTMENTS[:3], 17)},
            "metal": {"type": "servo", "pin": {"channel": 4}},
            "glass": {"type": "solenoid", "pin": 22},
        },
    },
}


def mechanism_config(name: str, **changes: Any) -> Any:
    """One of the above, checked."""
    return TypeAdapter(ActuatorConfig).validate_python({"pin_factory": "mock", **MECHANISMS[name], **changes})


class Rig:
    """A mechanism's driver on mock pins, and what the mechanism does."""

    def __init__(self, name: str, **changes: Any) -> None:
        self.config = mechanism_config(name, **changes)
        self.clock = ManualClock()
        self.pins: Any = open_pin_factory("mock")
        self.simulated: Any = simulate(self.config, self.clock, self.pins)
        self.actuator: Any = open_actuator(self.config, self.clock, self.pins)

    def currents(self) -> list[str]:
        """The outputs that drive something at this moment."""
        return [name for name, output in self.config.outputs() if self._drives(name, output)]

    def _drives(self, name: str, output: int | BoardChannel) -> bool:
        if isinstance(output, BoardChannel):
            return self.pins.i2c(1).boards[output.board].pulse_ms(output.channel) is not None
        pin = self.pins.pin(output)
        if name == "enable_pin":
            return pin.function == "output" and not pin.state
        coil = isinstance(self.config.positions.get(name.removeprefix("positions.").removesuffix(".pin")), SolenoidGate)
        return bool(pin.state) if coil else pin.frequency is not None
