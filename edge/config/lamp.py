"""The lamp over the tray."""

from __future__ import annotations

from pydantic import Field

from edge.config.section import Pin, Seconds, Section


class Lamp(Section):
    """A lamp that the bin switches, through a transistor or relay: a pin alone must not feed it."""

    pin: Pin
    active_high: bool = Field(True, description="false: the lamp is lit while the pin is low")
    settle_s: Seconds = Field(
        0.6, description="how long the picture is watched after switching; longer than the camera's exposure takes"
    )
    min_answer: float = Field(
        8.0, gt=0, le=255, description="by how much the tray must darken when the lamp goes out, mean grey levels"
    )
    check_hour: int = Field(3, ge=0, le=23, description="hour of the nightly check, by this machine's time zone")
