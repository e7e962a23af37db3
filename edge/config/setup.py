"""What of the config the console's Setup tab may change, in the config's own form.

Only what is found out standing before the bin, and what its site decides. What a bin trusts (keys, folders), what it is
wired to and how fast it moves stay with whoever may write the config file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from edge.config import Config, Sorting
from edge.config.actuator import CarouselPosition, FlapPosition
from edge.config.camera import Presence, Region
from edge.config.explain import named
from edge.config.mqtt import Mqtt, Tls
from edge.config.section import Name, Section
from edge.errors import ConfigError


def _said_of(section: type[Section], field: str) -> str | None:
    return section.model_fields[field].description


class SetPresence(Section):
    """Where the tray is."""

    region: Region = Field(description=_said_of(Presence, "region"))


class SetActuator(Section):
    """The compartments."""

    positions: dict[Name, FlapPosition | CarouselPosition] = Field(
        min_length=1, description="compartment → where the chute points, or where it is on the turn, degrees"
    )


class SetMqtt(Section):
    """Which broker, and as whom."""

    host: str = Field(min_length=1, description="name or address of the broker")
    port: int = Field(ge=1, le=65535, description=_said_of(Mqtt, "port"))
    embedded_broker: bool = Field(False, description=_said_of(Mqtt, "embedded_broker"))
    username: str | None = Field(None, description="the bin's user at the broker")
    password_file: Path | None = Field(None, description=_said_of(Mqtt, "password_file"))
    tls: Tls | None = Field(None, description=_said_of(Mqtt, "tls"))


class Setup(Section):
    """What was set up. A section that is absent: as the config file says."""

    presence: SetPresence | None = None
    sorting: Sorting | None = None
    actuator: SetActuator | None = None
    mqtt: SetMqtt | None = None


def with_setup(config: Config, setup: Setup) -> Config:
    """The config with the setup over it, as valid as any.

    Raises:
        ConfigError: they do not go together.
    """
    document: dict[str, Any] = config.model_dump(exclude_unset=True)
    for name, section in setup:
        if isinstance(section, Sorting):
            document[name] = section.model_dump()
        elif section is not None:
            document[name] = document.get(name, {}) | section.model_dump()
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError("; ".join(map(named, error.errors()))) from None


def setup_of(config: Config) -> Setup:
    """What of this config may be set up, as it is. The gates of a mechanism are pins: they are not."""
    mqtt, positions = config.mqtt, config.actuator.positions
    movable = {name: p for name, p in positions.items() if isinstance(p, FlapPosition | CarouselPosition)}
    return Setup(
        presence=SetPresence(region=config.presence.region),
        sorting=config.sorting,
        actuator=SetActuator(positions=movable) if movable else None,
        mqtt=SetMqtt(
            host=mqtt.host,
            port=mqtt.port,
            embedded_broker=mqtt.embedded_broker,
            username=mqtt.username,
            password_file=mqtt.password_file,
            tls=mqtt.tls,
        ),
    )


def differences(before: Config, after: Config) -> dict[str, Section]:
    """The sections in which the setup of one config is another's, by name, as they are afterwards."""
    old = dict(setup_of(before))
    return {name: section for name, section in setup_of(after) if section is not None and section != old[name]}
