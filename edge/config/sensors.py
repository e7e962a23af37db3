"""What the bin feels besides what it sees."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from edge.config.section import Name, Pin, Seconds, Section


class Switch(Section):
    """A switch or beam on a pin, read through the actuator's pin factory."""

    role: Literal["lid", "estop", "hand", "full", "beam"] = Field(
        description="hand: a beam or switch in the opening; beam: across a compartment's chute, broken by each item"
    )
    pin: Pin
    compartment: Name | None = Field(None, description="for roles full and beam: which compartment")
    pull_up: bool = Field(True, description="pull the pin up; the switch closes to ground")
    active_when_closed: bool = Field(
        False,
        description="false is fail-safe: a cut wire reads as lid open, e-stop pressed, hand there, compartment full",
    )
    debounce_s: float = Field(0.05, ge=0, le=5, description="how long it must be steady to count as safe again")

    @model_validator(mode="after")
    def _compartment_of_role(self) -> Switch:
        if (self.role in ("full", "beam")) != (self.compartment is not None):
            raise ValueError("compartment goes with role full or beam, and only with them")
        return self


class FillSensor(Section):
    """An ultrasonic ranger (HC-SR04) that looks down into a compartment. ECHO needs a divider to 3.3 V."""

    compartment: Name
    trigger_pin: Pin
    echo_pin: Pin
    empty_cm: float = Field(gt=2, le=400, description="the distance it measures when the compartment is empty")
    full_cm: float = Field(ge=2, le=400, description="the distance at which the compartment is full")
    readings: int = Field(5, ge=1, le=15, description="the median of so many is taken")
    full_at_percent: float = Field(90.0, gt=0, le=100, description="full from this level on")
    free_at_percent: float = Field(80.0, ge=0, le=100, description="no longer full below this level: emptied")
    every_s: Seconds = Field(30.0, description="how often it is measured")

    @model_validator(mode="after")
    def _in_order(self) -> FillSensor:
        if self.full_cm >= self.empty_cm:
            raise ValueError(
                f"full_cm: {self.full_cm:g} is not less than empty_cm, {self.empty_cm:g}: the sensor looks down"
            )
        if self.free_at_percent >= self.full_at_percent:
            raise ValueError(
                f"free_at_percent: {self.free_at_percent:g} is not less than full_at_percent, {self.full_at_percent:g}"
            )
        return self
