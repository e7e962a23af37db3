"""What Home Assistant is told so that a bin appears in it by itself: one retained message for each entity.

    homeassistant/<component>/smartbin_<bin_id>/<key>/config

Every value that an entity shows is taken from a topic of the catalogue, by a template that Home Assistant runs. Each
version of Home Assistant leaves out what it does not know yet of a message; docs/dashboards.md says what that means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from edge import __version__
from edge.config import Config
from edge.mqtt.discovery.controls import controls
from edge.mqtt.discovery.entity import CAMERA, Entity, Settings
from edge.mqtt.discovery.shown import shown
from edge.mqtt.topics import OFFLINE, ONLINE, Topics


def discovery_messages(config: Config) -> dict[str, str]:
    """Topic → JSON, of every entity of this bin; none if the config does not want it."""
    if not config.mqtt.discovery.enabled:
        return {}
    topics = Topics(config.bin_id)
    about = _about(config)
    return {
        discovery_topic(config, entity): json.dumps({**_shared(topics, entity), **entity.settings, **about})
        for entity in entities(config)
    }


def discovery_topic(config: Config, entity: Entity) -> str:
    return f"{config.mqtt.discovery.prefix}/{entity.component}/smartbin_{config.bin_id}/{entity.key}/config"


def entities(config: Config) -> Iterator[Entity]:
    """Everything of this bin that is in Home Assistant."""
    topics = Topics(config.bin_id)
    yield from shown(topics, config)
    yield from controls(topics, sorted(config.actuator.positions))


def _about(config: Config) -> Settings:
    """What every entity of a bin says of the bin."""
    device: Settings = {
        "identifiers": [f"smartbin_{config.bin_id}"],
        "name": f"Smart bin {config.bin_id}",
        "manufacturer": "smartbin",
        "model": config.actuator.type,
        "sw_version": __version__,
    }
    console = config.mqtt.discovery.console_url or config.console.url
    if console is not None:
        device["configuration_url"] = console
    if config.site is not None:
        device["suggested_area"] = config.site
    return {"device": device, "origin": {"name": "smartbin", "sw_version": __version__}}


def _shared(topics: Topics, entity: Entity) -> Settings:
    if entity.component == "device_automation":
        return {}  # a trigger has neither state nor availability
    alive = {"topic": topics.availability, "payload_available": ONLINE, "payload_not_available": OFFLINE}
    seen = {
        **alive,
        "topic": topics.state,
        "value_template": f"{{{{ '{OFFLINE}' if {CAMERA} | list else '{ONLINE}' }}}}",
    }
    return {
        "unique_id": f"smartbin_{topics.bin_id}_{entity.key}",
        "availability": [alive, seen] if entity.by_camera else [alive],
        "availability_mode": "all",
        "qos": 1,
    }
