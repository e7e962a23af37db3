"""The mechanism that the config names."""

from __future__ import annotations

from typing import Any

from edge.config import ActuatorConfig, Carousel, Gates
from edge.domain import Actuator, Clock


def open_actuator(config: ActuatorConfig, clock: Clock, pin_factory: Any) -> Actuator:
    """The driver of a mechanism, to be entered. Drivers not used are not imported."""
    if isinstance(config, Carousel):
        from edge.actuators.carousel import CarouselActuator

        return CarouselActuator(config, clock, pin_factory)
    if isinstance(config, Gates):
        from edge.actuators.gates import GatesActuator

        return GatesActuator(config, clock, pin_factory)
    from edge.actuators.flap import FlapActuator

    return FlapActuator(config, clock, pin_factory)
