"""What a bin shows in Home Assistant: sensors, problems, events, triggers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edge.config import Config
from edge.domain import Outcome
from edge.fault_table import KINDS
from edge.mqtt.catalogue import scalar_type
from edge.mqtt.discovery.entity import CAMERA, DIAGNOSTIC, MEASURED, Entity, Settings
from edge.mqtt.topics import OFFLINE, ONLINE, Topics
from edge.payloads import TelemetryPayload

UNIT_SUFFIXES = {"s": "_s", "ms": "_ms", "MiB": "_mib", "°C": "_c"}
DEVICE_CLASSES = {"s": "duration", "ms": "duration", "MiB": "data_size", "°C": "temperature"}
"""Of the units in the schema of `telemetry`, as Home Assistant has them."""


def shown(topics: Topics, config: Config) -> Iterator[Entity]:
    """Everything that this bin says."""
    compartments = sorted(config.actuator.positions)
    yield from _last_item(topics)
    yield from _sorted_items(topics, compartments)
    yield from _compartments(topics, compartments, [sensor.compartment for sensor in config.fill])
    yield from _state(topics)
    yield from _faults(topics)
    yield _update(topics)
    if config.mqtt.publish_image:
        image = {"name": "Tray", "image_topic": topics.last_image, "content_type": "image/jpeg"}
        yield Entity("image", "tray", image, by_camera=True)
    yield from _telemetry(topics, config.mqtt.telemetry_s)


def _last_item(topics: Topics) -> Iterator[Entity]:
    """The newest item. A historical event is never on this topic."""
    last: Settings = {"state_topic": topics.last_classification, "force_update": True}
    yield Entity(
        "sensor",
        "last_label",
        {
            **last,
            "name": "Last item",
            "icon": "mdi:recycle",
            "value_template": "{{ value_json.decision.label }}",
            "json_attributes_topic": topics.last_classification,
        },
        by_camera=True,
    )
    yield Entity(
        "sensor",
        "last_confidence",
        {
            **last,
            **MEASURED,
            "name": "Last confidence",
            "icon": "mdi:gauge",
            "value_template": "{{ (100 * value_json.top3[0].p) | round(1) }}",
            "unit_of_measurement": "%",
        },
        by_camera=True,
    )
    for key, name, icon, path in (
        ("last_compartment", "Last compartment", "mdi:delete-variant", "decision.compartment"),
        ("last_reason", "Last reason", "mdi:help-circle-outline", "decision.reason"),
        ("last_outcome", "Last outcome", "mdi:check-circle-outline", "actuation.outcome"),
    ):
        shown = {"name": name, "icon": icon, "value_template": f"{{{{ value_json.{path} }}}}"}
        yield Entity("sensor", key, {**last, **shown}, by_camera=True)


def _sorted_items(topics: Topics, compartments: list[str]) -> Iterator[Entity]:
    """What happens, for automations: an event entity, and a device trigger for each compartment."""
    event = (
        "{% if not value_json.historical %}{{ {'event_type': value_json.actuation.outcome | lower, "
        "'label': value_json.decision.label, 'compartment': value_json.decision.compartment, "
        "'p': value_json.top3[0].p, 'reason': value_json.decision.reason} | tojson }}{% endif %}"
    )
    yield Entity(
        "event",
        "sorted",
        {
            "name": "Item",
            "icon": "mdi:recycle",
            "state_topic": topics.classification,
            "event_types": [outcome.value.lower() for outcome in Outcome if outcome is not Outcome.PENDING],
            "value_template": event,
        },
        by_camera=True,
    )
    arrived = "not value_json.historical and value_json.actuation.outcome == 'CONFIRMED'"
    for compartment in compartments:
        trigger = {
            "automation_type": "trigger",
            "type": "sorted",
            "subtype": compartment,
            "topic": topics.classification,
            "payload": compartment,
            "value_template": f"{{{{ value_json.decision.compartment if {arrived} else '' }}}}",
            "qos": 1,
        }
        yield Entity("device_automation", f"sorted_{compartment}", trigger)


def _compartments(topics: Topics, compartments: list[str], with_level: list[str]) -> Iterator[Entity]:
    percent = {**MEASURED, "unit_of_measurement": "%"}
    for name in compartments:
        count = {"state_class": "total_increasing", "unit_of_measurement": "items", "icon": "mdi:counter"}
        yield Entity("sensor", f"count_{name}", {**count, "name": f"Items {name}", "state_topic": topics.count(name)})
        purity = {**percent, "icon": "mdi:check-decagram", "suggested_display_precision": 1}
        yield Entity(
            "sensor", f"purity_{name}", {**purity, "name": f"Purity {name}", "state_topic": topics.purity(name)}
        )
        if name in with_level:
            fill = {**percent, "icon": "mdi:trash-can", "name": f"Fill {name}", "state_topic": topics.fill(name)}
            yield Entity("sensor", f"fill_{name}", fill)


def _state(topics: Topics) -> Iterator[Entity]:
    for key, name, icon, path in (
        ("phase", "Phase", "mdi:state-machine", "phase"),
        ("engine", "Engine", "mdi:chip", "engine"),
        ("model_version", "Model version", "mdi:tag", "versions.model"),
        ("program_version", "Program version", "mdi:tag-outline", "versions.program"),
    ):
        shown = {"name": name, "icon": icon, "value_template": f"{{{{ value_json.{path} }}}}"}
        yield Entity("sensor", key, {**DIAGNOSTIC, **shown, "state_topic": topics.state})
    yield Entity(
        "sensor",
        "camera",
        {
            **DIAGNOSTIC,
            "name": "Camera",
            "icon": "mdi:camera",
            "state_topic": topics.state,
            "value_template": f"{{{{ ({CAMERA} | map(attribute='code') | first | default('camera_ok'))[7:] }}}}",
        },
    )
    yield Entity(
        "binary_sensor",
        "connected",
        {
            **DIAGNOSTIC,
            "name": "Connection",
            "device_class": "connectivity",
            "state_topic": topics.availability,
            "payload_on": ONLINE,
            "payload_off": OFFLINE,
            "availability": [],
        },
    )


def _update(topics: Topics) -> Entity:
    """Which model sorts, and how far the next one is. Its last two values are shown from Home Assistant 2024.11 on."""
    shown = ("installed_version", "latest_version", "in_progress", "update_percentage")
    values = ", ".join(f"'{name}': value_json.{name}" for name in shown)
    settings = {**DIAGNOSTIC, "name": "Model", "title": "Model", "icon": "mdi:brain", "state_topic": topics.update}
    template = {"value_template": f"{{{{ {{{values}}} | tojson }}}}", "json_attributes_topic": topics.update}
    return Entity("update", "model", {**settings, **template})


def _telemetry(topics: Topics, every_s: float) -> Iterator[Entity]:
    """A number each, unavailable when it has not come for three times its interval."""
    for key, field in TelemetryPayload.model_json_schema()["properties"].items():
        if scalar_type(field) not in ("number", "integer") or key == "schema":
            continue
        unit = field.get("unit")
        settings = {
            **DIAGNOSTIC,
            **MEASURED,
            "name": key.removesuffix(UNIT_SUFFIXES.get(unit, "")).replace("_", " ").capitalize(),
            "state_topic": topics.telemetry,
            "value_template": f"{{{{ value_json.{key} | default('') }}}}",
            "expire_after": math.ceil(3 * every_s),
        }
        if unit is not None:
            settings["unit_of_measurement"] = unit
        if unit in DEVICE_CLASSES:
            settings["device_class"] = DEVICE_CLASSES[unit]
        yield Entity("sensor", key, settings)


def _faults(topics: Topics) -> Iterator[Entity]:
    """One problem that says whether anything is wrong, and one for each fault that there may be."""
    yield _problem(topics, "problem", "Problem", "value_json.faults", "{{ {'faults': value_json.faults} | tojson }}")
    for kind in KINDS:
        standing = f"value_json.faults | selectattr('code', 'eq', '{kind.code}')"
        attributes = f"{{{{ {standing} | first | default({{}}) | tojson }}}}"
        name = kind.code.replace("_", " ").capitalize()
        problem = _problem(topics, f"fault_{kind.code}", name, f"{standing} | list", attributes)
        yield problem._replace(settings={**DIAGNOSTIC, **problem.settings})


def _problem(topics: Topics, key: str, name: str, standing: str, attributes: str) -> Entity:
    """On while `standing`, a template's expression, is not empty. The attributes hold message and remedy."""
    return Entity(
        "binary_sensor",
        key,
        {
            "name": name,
            "device_class": "problem",
            "state_topic": topics.state,
            "value_template": f"{{{{ 'ON' if {standing} else 'OFF' }}}}",
            "json_attributes_topic": topics.state,
            "json_attributes_template": attributes,
        },
    )
