"""A wiring picture from the config: the header of a Raspberry Pi, and what goes where. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from edge.config import BoardChannel, Config, SolenoidGate

# The 40 pins of the header, from pin 1 on: a GPIO number, or what else it is.
_HEADER: tuple[int | str, ...] = (
    "3.3 V", "5 V", 2, "5 V", 3, "GND", 4, 14, "GND", 15, 17, 18, 27, "GND", 22, 23, "3.3 V", 24, 10, "GND",
    9, 25, 11, 8, "GND", 7, 0, 1, 5, "GND", 6, 12, 13, "GND", 19, 16, 26, 20, "GND", 21,
)  # fmt: skip
_SDA, _SCL = 2, 3
_ROW, _TOP, _MIDDLE, _WIDTH = 26, 40, 380, 760


class Wire(NamedTuple):
    """One thing that is plugged in. at: a GPIO number, or a channel of a servo board."""

    what: str
    at: int | BoardChannel
    how: str

    @property
    def place(self) -> str:
        """Where it goes, for people."""
        if isinstance(self.at, BoardChannel):
            return f"servo board {self.at.board:#x}, channel {self.at.channel}"
        header = f"pin {_HEADER.index(self.at) + 1}" if self.at in _HEADER else "not on the 40-pin header"
        return f"GPIO {self.at} ({header})"


def wires(config: Config) -> list[Wire]:
    """Everything that the config names, in its order."""
    return [*_outputs(config), *_inputs(config)]


def _outputs(config: Config) -> Iterator[Wire]:
    servo = "signal; power from the servos' own supply, grounds joined"
    gates = config.actuator.positions if config.actuator.type == "gates" else {}
    coils = {f"positions.{name}.pin" for name, gate in gates.items() if isinstance(gate, SolenoidGate)}
    hows = {
        "step_pin": "STEP of the motor driver",
        "direction_pin": "DIR of the motor driver",
        "enable_pin": "ENABLE of the motor driver",
        "home.pin": "home switch, to ground",
    }
    for field, at in config.actuator.outputs():
        how = "through a transistor, never the coil itself" if field in coils else hows.get(field, servo)
        yield Wire(f"{config.actuator.type}: {field}", at, how)
    if config.lamp is not None:
        yield Wire("lamp", config.lamp.pin, "through a transistor or relay")


def _inputs(config: Config) -> Iterator[Wire]:
    for switch in config.switches:
        of = f" of {switch.compartment}" if switch.compartment else ""
        kind = "closed" if switch.active_when_closed else "open"
        ends = "ground" if switch.pull_up else "3.3 V"
        yield Wire(f"switch: {switch.role}{of}", switch.pin, f"contact to {ends}; {kind} means {_ACTIVE[switch.role]}")
    for sensor in config.fill:
        yield Wire(f"fill of {sensor.compartment}: TRIG", sensor.trigger_pin, "HC-SR04 on 5 V")
        yield Wire(f"fill of {sensor.compartment}: ECHO", sensor.echo_pin, "through a divider to 3.3 V")


_ACTIVE = {
    "lid": "lid open",
    "estop": "pressed",
    "hand": "a hand there",
    "full": "full",
    "beam": "beam broken",
}


def picture(config: Config) -> str:
    """The header as SVG, used pins named, and everything as a table."""
    connected = wires(config)
    rows = "".join(
        f"<tr><td>{escape(wire.what)}</td><td>{escape(wire.place)}</td><td>{escape(wire.how)}</td></tr>"
        for wire in connected
    )
    table = (
        "<table><thead><tr><th>What</th><th>Where</th><th>How</th></tr></thead>"
        f"<tbody>{rows or '<tr><td colspan=3>nothing is plugged in</td></tr>'}</tbody></table>"
    )
    return f"{_svg(connected, config.actuator.i2c_bus)}{table}"


def _svg(connected: list[Wire], i2c_bus: int) -> str:
    used = {wire.at: wire.what for wire in connected if isinstance(wire.at, int)}
    if i2c_bus == 1 and any(isinstance(wire.at, BoardChannel) for wire in connected):
        used |= {_SDA: "servo boards: SDA", _SCL: "servo boards: SCL"}
    height = _TOP + 20 * _ROW + 10
    pins = "".join(_pin(number, what, used) for number, what in enumerate(_HEADER, 1))
    return (
        f'<svg class="wiring" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="The 40-pin header; '
        f'the table below says the same in words" xmlns="http://www.w3.org/2000/svg">'
        f'<text x="{_MIDDLE}" y="20" text-anchor="middle">Raspberry Pi, 40-pin header, pin 1 at the card\'s end</text>'
        f'<rect x="{_MIDDLE - 34}" y="{_TOP - 8}" width="68" height="{20 * _ROW + 6}" rx="8" class="header"/>'
        f"{pins}</svg>"
    )


def _pin(number: int, what: int | str, used: dict[int, str]) -> str:
    left = number % 2 == 1
    side = -1 if left else 1
    x, y = _MIDDLE + 16 * side, _TOP + _ROW * ((number - 1) // 2) + 8
    anchor = "end" if left else "start"
    kind = {"3.3 V": "v3", "5 V": "v5", "GND": "gnd"}.get(str(what), "gpio")
    taken = isinstance(what, int) and what in used
    name = f"GPIO {what}" if isinstance(what, int) else what
    said = f"{used[what]} · {name}" if isinstance(what, int) and what in used else name
    line = f'<path d="M{x + 10 * side} {y} H{x + 30 * side}" class="lead"/>' if taken else ""
    return (
        f'<circle cx="{x}" cy="{y}" r="8" class="{"used" if taken else kind}"/>'
        f'<text x="{x}" y="{y + 3}" text-anchor="middle" class="number">{number}</text>{line}'
        f'<text x="{x + (34 if taken else 22) * side}" y="{y + 4}" text-anchor="{anchor}" '
        f'class="{"named" if taken else "free"}">{escape(said)}</text>'
    )
