"""Every topic with the JSON Schema of its payload, as an AsyncAPI 3.0 document."""

from __future__ import annotations

import json
import re
from typing import Any

from edge import __version__
from edge.mqtt.catalogue import CHANNELS, REQUESTS, Channel

PARAMETERS = {
    "bin_id": "1 to 40 of a-z, 0-9 and -",
    "c": "a compartment's name",
    "code": "a fault's code",
    "cmd": "a command's name",
}


def asyncapi() -> str:
    schemas: dict[str, Any] = {}
    channels = [*CHANNELS, *REQUESTS]
    operations = {_name(channel): _operation("send", channel) for channel in CHANNELS}
    operations |= {_name(channel): _request(channel) for channel in REQUESTS}
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Smart bin", "version": __version__, "license": {"name": "MIT"}},
        "defaultContentType": "application/json",
        "channels": {_name(channel): _channel(channel) for channel in channels},
        "operations": operations,
        "components": {"messages": {_name(c): _message(c, schemas) for c in channels}, "schemas": schemas},
    }
    return json.dumps(document, indent=1) + "\n"


def _name(channel: Channel) -> str:
    return re.sub(r"\W+", "_", channel.path).strip("_")


def _channel(channel: Channel) -> dict[str, Any]:
    address = "smartbin/{bin_id}/" + channel.path.replace("<", "{").replace(">", "}")
    parameters = {name: {"description": PARAMETERS[name]} for name in re.findall(r"{(\w+)}", address)}
    message = {"$ref": f"#/components/messages/{_name(channel)}"}
    return {"address": address, "parameters": parameters, "messages": {_name(channel): message}}


def _operation(action: str, channel: Channel) -> dict[str, Any]:
    """action: the bin's part in it, send or receive."""
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{_name(channel)}"},
        "summary": channel.when,
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retained, "bindingVersion": "0.2.0"}},
    }


def _request(channel: Channel) -> dict[str, Any]:
    return {**_operation("receive", channel), "reply": {"channel": {"$ref": "#/channels/response_cmd"}}}


def _message(channel: Channel, schemas: dict[str, Any]) -> dict[str, Any]:
    """The message; the classes that its payload is made of go to `schemas`."""
    payload = channel.payload.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(payload.pop("$defs", {}))
    return {"contentType": channel.content_type, "payload": payload}
