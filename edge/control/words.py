"""A command as people type it → a request for the control socket."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edge.payloads import COMMANDS

SHORT: dict[str, tuple[str, dict[str, Any]]] = {
    "status": ("status", {}),
    "requests": ("requests", {}),
    "record": ("record", {}),
    "restart": ("restart", {}),
    "maintenance-on": ("set_mode", {"mode": "maintenance"}),
    "maintenance-off": ("set_mode", {"mode": "auto"}),
}


def request_of(command: str, arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """`set-threshold`, `["min_probability=0.8"]` → `set_threshold`, `{"min_probability": 0.8}`.

    Raises:
        ValueError: no such command, or an argument that is not NAME=VALUE.
    """
    fields = dict(map(_field, arguments))
    if command in SHORT:
        name, given = SHORT[command]
        return name, given | fields
    name = command.replace("-", "_")
    if name not in COMMANDS:
        known = sorted([*SHORT, *(cmd.replace("_", "-") for cmd in COMMANDS)])
        raise ValueError(f"no command {command!r}; there are {', '.join(known)}")
    return name, fields


def _field(argument: str) -> tuple[str, Any]:
    name, separator, text = argument.partition("=")
    if not separator or not name:
        raise ValueError(f"expected NAME=VALUE, found {argument!r}")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text
