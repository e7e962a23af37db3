"""The mechanism that drops an item."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from edge.config.section import Angle, Name, Pin, Seconds, Section


class FlapPosition(Section):
    """Where the chute points for a compartment."""

    turn_deg: Angle


class Flap(Section):
    """A trapdoor under the item on one servo, and below it a chute turned by a second one."""

    type: Literal["flap"]
    pin_factory: Literal["mock", "lgpio", "rpigpio", "pigpio", "native"] = Field(
        description="gpiozero's pin factory; mock is for simulation, a Raspberry Pi 5 needs lgpio"
    )
    tilt_pin: Pin
    turn_pin: Pin | None = Field(None, description="null: no chute, the flap serves one compartment")
    pulse_ms: tuple[float, float] = Field((1.0, 2.0), description="the servos' pulse widths at -90 and +90 degrees")
    closed_deg: Angle = 0.0
    open_deg: Angle = 70.0
    positions: dict[Name, FlapPosition] = Field(min_length=1, description="compartment → where the chute points")
    speed_deg_s: float = Field(180.0, gt=1, le=600, description="ramp of a servo, degrees a second")
    hold_open_s: Seconds = Field(0.6, description="how long the flap stays open for the item to slide off")
    move_timeout_s: Seconds = Field(6.0, description="a movement that takes longer is a stall")

    @model_validator(mode="after")
    def _pulses(self) -> Flap:
        low_ms, high_ms = self.pulse_ms
        if not 0.3 <= low_ms < high_ms <= 3.0:
            raise ValueError(f"pulse_ms: expected 0.3 <= low < high <= 3.0, found {low_ms} and {high_ms}")
        return self
