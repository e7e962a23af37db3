"""What the bin feels besides what it sees."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from edge.config.section import Name, Pin, Section


class Switch(Section):
    """A switch or beam on a pin, read through the actuator's pin factory."""

    role: Literal["lid", "estop", "hand", "full"] = Field(description="hand: a beam or switch in the opening")
    pin: Pin
    compartment: Name | None = Field(None, description="for role full: which compartment")
    pull_up: bool = Field(True, description="pull the pin up; the switch closes to ground")
    active_when_closed: bool = Field(
        False,
        description="false is fail-safe: a cut wire reads as lid open, e-stop pressed, hand there, compartment full",
    )
    debounce_s: float = Field(0.05, ge=0, le=5)

    @model_validator(mode="after")
    def _compartment_of_full(self) -> Switch:
        if (self.role == "full") != (self.compartment is not None):
            raise ValueError("compartment goes with role full, and only with it")
        return self
