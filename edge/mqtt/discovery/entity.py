"""One thing that Home Assistant shows."""

from __future__ import annotations

from typing import Any, NamedTuple

Settings = dict[str, Any]
DIAGNOSTIC: Settings = {"entity_category": "diagnostic"}
CONFIGURES: Settings = {"entity_category": "config"}
MEASURED: Settings = {"state_class": "measurement"}


class Entity(NamedTuple):
    """One thing that Home Assistant shows. key: its name within the bin, for ever. by_camera: it is known by it."""

    component: str
    key: str
    settings: Settings
    by_camera: bool = False


CAMERA = "value_json.faults | selectattr('code', 'match', 'camera_')"
"""The faults that stand and are the camera's."""
