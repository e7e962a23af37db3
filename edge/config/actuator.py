"""The mechanism that drops an item: a flap over a chute, a carousel, or a gate for each compartment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from edge.config.section import Angle, Name, Pin, Seconds, Section


class BoardChannel(Section):
    """A channel of a PCA9685 board on the I2C bus."""

    board: int = Field(0x40, ge=0x40, le=0x7F, description="I2C address; 0x40 unless its solder pads say otherwise")
    channel: int = Field(ge=0, le=15)


def _tag_of(value: Any) -> str:
    return "board-channel" if isinstance(value, dict | BoardChannel) else "gpio-pin"


Output = Annotated[
    Annotated[Pin, Tag("gpio-pin")] | Annotated[BoardChannel, Tag("board-channel")], Discriminator(_tag_of)
]
"""Where a servo is plugged in: a GPIO number, or a channel of a PCA9685 board."""


class Mechanism(Section):
    """What every mechanism has."""

    pin_factory: Literal["mock", "lgpio", "rpigpio", "pigpio", "native", "none"] = Field(
        description="gpiozero's pin factory; mock is for simulation, a Raspberry Pi 5 needs lgpio; "
        "none: nothing is on GPIO pins, the servos are on PCA9685 boards"
    )
    i2c_bus: int = Field(1, ge=0, le=31, description="the bus of the PCA9685 boards: 1 is /dev/i2c-1")
    pulse_ms: tuple[float, float] = Field((1.0, 2.0), description="the servos' pulse widths at -90 and +90 degrees")
    limits_deg: tuple[Angle, Angle] = Field((-90.0, 90.0), description="no servo is ever sent past these angles")
    speed_deg_s: float = Field(180.0, gt=1, le=600, description="ramp of a servo, degrees a second")
    hold_open_s: Seconds = Field(0.6, description="how long it stays open for the item to slide off")
    move_timeout_s: Seconds = Field(6.0, description="a movement that takes longer is a stall")
    max_moves_per_min: int = Field(
        30, ge=1, le=6000, description="duty limit: the guard refuses more movements than this in any 60 s"
    )

    @model_validator(mode="after")
    def _possible(self) -> Mechanism:
        low_ms, high_ms = self.pulse_ms
        if not 0.3 <= low_ms < high_ms <= 3.0:
            raise ValueError(f"pulse_ms: expected 0.3 <= low < high <= 3.0, found {low_ms} and {high_ms}")
        low_deg, high_deg = self.limits_deg
        if low_deg >= high_deg:
            raise ValueError(f"limits_deg: expected low < high, found {low_deg:g} and {high_deg:g}")
        for name, angle_deg in self.angles_deg():
            if not low_deg <= angle_deg <= high_deg:
                raise ValueError(f"{name}: {angle_deg:g} degrees are outside limits_deg, {low_deg:g} to {high_deg:g}")
        if self.homing_s() >= self.move_timeout_s:
            raise ValueError(
                f"move_timeout_s: {self.move_timeout_s:g} s are too few, homing alone takes {self.homing_s():.1f} s"
            )
        return self

    def angles_deg(self) -> Iterator[tuple[str, float]]:
        """Every angle that a servo is ever sent to, with the field's name."""
        raise NotImplementedError

    def outputs(self) -> Iterator[tuple[str, int | BoardChannel]]:
        """Everything plugged in, with the field's name; inputs too."""
        raise NotImplementedError

    def homing_s(self) -> float:
        """The least time that homing takes when nothing is wrong."""
        raise NotImplementedError

    @property
    def pins(self) -> list[int]:
        """The GPIO numbers used."""
        return [output for _, output in self.outputs() if isinstance(output, int)]

    @property
    def stroke_s(self) -> float:
        """The time for a servo's whole way, 180 degrees."""
        return 180.0 / self.speed_deg_s


class FlapPosition(Section):
    """Where the chute points for a compartment."""

    turn_deg: Angle


class Flap(Mechanism):
    """A trapdoor under the item on one servo, and below it a chute turned by a second one."""

    type: Literal["flap"]
    tilt_pin: Output
    turn_pin: Output | None = Field(None, description="null: no chute, the flap serves one compartment")
    closed_deg: Angle = 0.0
    open_deg: Angle = 70.0
    positions: dict[Name, FlapPosition] = Field(min_length=1, description="compartment → where the chute points")

    @model_validator(mode="after")
    def _chute(self) -> Flap:
        if self.turn_pin is None and len(self.positions) > 1:
            raise ValueError("turn_pin: several compartments need the chute's servo; name its pin")
        return self

    def angles_deg(self) -> Iterator[tuple[str, float]]:
        yield from (("closed_deg", self.closed_deg), ("open_deg", self.open_deg))
        for name, position in self.positions.items():
            yield f"positions.{name}.turn_deg", position.turn_deg
        if self.turn_pin is not None:
            yield "the chute's middle", 0.0

    def outputs(self) -> Iterator[tuple[str, int | BoardChannel]]:
        yield "tilt_pin", self.tilt_pin
        if self.turn_pin is not None:
            yield "turn_pin", self.turn_pin

    def homing_s(self) -> float:
        return self.stroke_s * len(list(self.outputs()))


class CarouselPosition(Section):
    """Where the carousel stands for a compartment."""

    at_deg: float = Field(ge=0, lt=360, description="degrees forward from where the home switch closes")


class HomeSwitch(Section):
    """The switch that tells where the carousel stands: closed over a part of the turn, open elsewhere."""

    pin: Pin
    pull_up: bool = Field(True, description="pull the pin up; the switch closes to ground")
    width_deg: float = Field(10.0, ge=1, le=90, description="over how much of the turn it is closed")
    tolerance_deg: float = Field(
        3.0, gt=0, le=20, description="how far its edges may be from where they are expected; more is a lost home"
    )

    @model_validator(mode="after")
    def _has_a_middle(self) -> HomeSwitch:
        if 2 * self.tolerance_deg >= self.width_deg:
            raise ValueError(
                f"tolerance_deg: twice {self.tolerance_deg:g} must be less than width_deg, {self.width_deg:g}"
            )
        return self


class Carousel(Mechanism):
    """Compartments that a stepper motor with a step/direction driver (A4988, DRV8825) turns under a trapdoor."""

    type: Literal["carousel"]
    trapdoor_pin: Output
    closed_deg: Angle = 0.0
    open_deg: Angle = 70.0
    step_pin: Pin
    direction_pin: Pin
    enable_pin: Pin | None = Field(None, description="the driver's ENABLE, active low; null: it is always on")
    reverse: bool = Field(False, description="true: the motor's forward is the carousel's backward")
    home: HomeSwitch
    steps_per_turn: int = Field(
        ge=100, le=1_000_000, description="steps of the driver for a turn of the carousel: motor × microsteps × gear"
    )
    start_steps_s: float = Field(200.0, gt=0, le=2000, description="speed at which the motor starts and stops at once")
    top_steps_s: float = Field(800.0, gt=0, le=2000, description="top speed, steps a second")
    acceleration_steps_s2: float = Field(800.0, gt=0, le=100_000)
    move_timeout_s: Seconds = Field(20.0, description="a movement that takes longer is a stall")
    positions: dict[Name, CarouselPosition] = Field(min_length=1, description="compartment → where it is on the turn")

    @model_validator(mode="after")
    def _speeds(self) -> Carousel:
        if self.start_steps_s > self.top_steps_s:
            raise ValueError(
                f"start_steps_s: {self.start_steps_s:g} is more than top_steps_s, {self.top_steps_s:g} steps a second"
            )
        return self

    def angles_deg(self) -> Iterator[tuple[str, float]]:
        yield from (("closed_deg", self.closed_deg), ("open_deg", self.open_deg))

    def outputs(self) -> Iterator[tuple[str, int | BoardChannel]]:
        yield "trapdoor_pin", self.trapdoor_pin
        yield from (("step_pin", self.step_pin), ("direction_pin", self.direction_pin), ("home.pin", self.home.pin))
        if self.enable_pin is not None:
            yield "enable_pin", self.enable_pin

    def homing_s(self) -> float:
        return self.stroke_s + self.steps_per_turn / self.start_steps_s


class ServoGate(Section):
    """A gate that a servo opens."""

    type: Literal["servo"]
    pin: Output
    closed_deg: Angle = 0.0
    open_deg: Angle = 70.0


class SolenoidGate(Section):
    """A gate that a solenoid holds open against a spring. The pin drives a transistor, never the coil itself."""

    type: Literal["solenoid"]
    pin: Pin
    active_high: bool = Field(True, description="false: the coil is on while the pin is low")
    max_on_s_per_min: Seconds = Field(
        6.0, description="duty limit of the coil: the guard refuses to use it for longer than this in any 60 s"
    )


class Gates(Mechanism):
    """A gate for each compartment, on a servo or a solenoid."""

    type: Literal["gates"]
    positions: dict[Name, Annotated[ServoGate | SolenoidGate, Field(discriminator="type")]] = Field(
        min_length=1, description="compartment → its gate"
    )

    @model_validator(mode="after")
    def _coils(self) -> Gates:
        for name, gate in self.positions.items():
            if isinstance(gate, SolenoidGate) and self.hold_open_s > gate.max_on_s_per_min:
                raise ValueError(
                    f"hold_open_s: {self.hold_open_s:g} s are more than positions.{name}.max_on_s_per_min allows, "
                    f"{gate.max_on_s_per_min:g} s"
                )
        return self

    def angles_deg(self) -> Iterator[tuple[str, float]]:
        for name, gate in self.positions.items():
            if isinstance(gate, ServoGate):
                yield f"positions.{name}.closed_deg", gate.closed_deg
                yield f"positions.{name}.open_deg", gate.open_deg

    def outputs(self) -> Iterator[tuple[str, int | BoardChannel]]:
        for name, gate in self.positions.items():
            yield f"positions.{name}.pin", gate.pin

    def homing_s(self) -> float:
        return self.stroke_s * sum(isinstance(gate, ServoGate) for gate in self.positions.values())


ActuatorConfig = Annotated[Flap | Carousel | Gates, Field(discriminator="type")]
