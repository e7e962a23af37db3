"""A real Home Assistant with nothing but its MQTT integration, told what to do by lines of JSON on its input.

For an environment of its own (see requirements.txt here): it knows nothing of smartbin.

    {"do": "states"}                                           the states of all entities, and what was logged
    {"do": "call", "service": "button.press", "data": {…}}     a service, as a person who presses something
    {"do": "triggers"}                                         the device triggers that automations may use
    {"do": "fields"}                                           keys of discovery messages that it does not know
    {"do": "stop"}

Each answer is one line of JSON. The first line says that it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

from homeassistant import bootstrap
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.runner import RuntimeConfig


class Logged(logging.Handler):
    """Warnings and errors, kept."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


STEPS = ["user", "core_config", "integration", "analytics"]
CONFIGURATION = """
homeassistant:
  name: Home
  unit_system: metric
  auth_providers:
    - type: trusted_networks
      trusted_networks: [127.0.0.1]
      allow_bypass_login: true
http:
  server_host: 127.0.0.1
  server_port: {http_port}
frontend:
config:
"""


def write_config(folder: Path, http_port: int, port: int, username: str, password: str) -> None:
    """As a person leaves it who has been through the first steps and has added the MQTT integration."""
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(http_port=http_port))
    entry = {
        "entry_id": "mqtt", "version": 1, "minor_version": 1, "domain": "mqtt", "title": "broker", "options": {},
        "data": {"broker": "127.0.0.1", "port": port, "username": username, "password": password},
        "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user", "unique_id": None,
        "disabled_by": None,
    }  # fmt: skip
    storage = folder / ".storage"
    storage.mkdir()
    document = {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}
    (storage / "core.config_entries").write_text(json.dumps(document))
    steps = {"version": 4, "minor_version": 1, "key": "onboarding", "data": {"done": STEPS}}
    (storage / "onboarding").write_text(json.dumps(steps))


def states(hass: HomeAssistant, logged: Logged) -> dict[str, Any]:
    found = {
        state.entity_id: {
            "state": state.state,
            "attributes": json.loads(json.dumps(dict(state.attributes), default=str)),
        }
        for state in hass.states.async_all()
    }
    keys = {entry.entity_id: entry.unique_id for entry in entity_registry.async_get(hass).entities.values()}
    devices = {device.name: device.id for device in device_registry.async_get(hass).devices.values()}
    return {"states": found, "unique_ids": keys, "devices": devices, "logged": logged.lines}


async def triggers(hass: HomeAssistant) -> dict[str, Any]:
    from homeassistant.components import device_automation

    devices = [device.id for device in device_registry.async_get(hass).devices.values()]
    found = await device_automation.async_get_device_automations(
        hass, device_automation.DeviceAutomationType.TRIGGER, devices
    )
    return {"triggers": [trigger for of_device in found.values() for trigger in of_device]}


def unknown_fields(messages: dict[str, Any]) -> dict[str, list[str]]:
    """Topic → keys that this version drops."""
    unknown: dict[str, list[str]] = {}
    for topic, payload in messages.items():
        component = topic.split("/")[1]
        name = "device_trigger" if component == "device_automation" else component
        module = importlib.import_module(f"homeassistant.components.mqtt.{name}")
        schema = module.TRIGGER_DISCOVERY_SCHEMA if name == "device_trigger" else module.DISCOVERY_SCHEMA
        kept = schema({**payload, "platform": "mqtt"})
        if dropped := sorted(set(payload) - set(kept)):
            unknown[topic] = dropped
    return unknown


async def serve(folder: Path) -> None:
    logged = Logged()
    logging.getLogger().addHandler(logged)
    hass = await bootstrap.async_setup_hass(RuntimeConfig(config_dir=str(folder)))
    assert hass is not None
    await hass.auth.async_create_user("Operator", group_ids=["system-admin"])
    await hass.async_start()
    await hass.async_block_till_done()
    say({"runs": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if order["do"] == "stop":
            break
        if order["do"] == "call":
            domain, service = order["service"].split(".")
            await hass.services.async_call(domain, service, order["data"], blocking=True)
            say({})
        elif order["do"] == "triggers":
            say(await triggers(hass))
        elif order["do"] == "fields":
            say(unknown_fields(order["messages"]))
        else:
            say(states(hass, logged))
    await hass.async_stop(force=True)


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty one")
    parser.add_argument("--http-port", type=int, required=True, help="of its pages")
    parser.add_argument("--port", type=int, required=True, help="of the broker")
    parser.add_argument("--username", required=True)
    parser.add_argument("--password", required=True)
    asked = parser.parse_args()
    write_config(asked.folder, asked.http_port, asked.port, asked.username, asked.password)
    asyncio.run(serve(asked.folder))


if __name__ == "__main__":
    main()
