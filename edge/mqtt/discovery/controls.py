"""What may be asked of a bin from Home Assistant: an entity for each command that a person presses or sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge.mqtt.discovery.entity import CONFIGURES, DIAGNOSTIC, Entity, Settings
from edge.mqtt.topics import Topics
from edge.payloads import SetModeArguments

REQUEST_TTL_S = 20.0
"""How long a button that was pressed may be on its way."""


def controls(topics: Topics, compartments: list[str]) -> Iterator[Entity]:
    """What may be asked of the bin. It refuses what its broker does not vouch for, and says so on `response/…`."""
    for cmd, name, icon, category in (
        ("home", "Home", "mdi:home-import-outline", CONFIGURES),
        ("self_test", "Self-test", "mdi:stethoscope", DIAGNOSTIC),
        ("capture", "Keep a picture", "mdi:camera-plus", DIAGNOSTIC),
        ("rollback", "Model before", "mdi:backup-restore", CONFIGURES),
        ("diagnose", "Write a diagnosis", "mdi:file-search", DIAGNOSTIC),
        ("acknowledge", "Acknowledge faults", "mdi:account-check", {}),
    ):
        yield Entity("button", cmd, {**category, "name": name, "icon": icon, **_asks(topics, cmd)})
    for compartment in compartments:
        asks = _asks(topics, "emptied", {"compartment": f"'{compartment}' | tojson"})
        emptied = {"name": f"{compartment.capitalize()} emptied", "icon": "mdi:delete-empty", **asks}
        yield Entity("button", f"emptied_{compartment}", emptied)
    mode: Settings = {"state_topic": topics.state, "value_template": "{{ value_json.mode }}"}
    asks = _asks(topics, "set_mode", {"mode": "value | tojson"})
    modes = list(SetModeArguments.model_json_schema()["properties"]["mode"]["enum"])
    yield Entity("select", "mode", {**mode, "name": "Mode", "icon": "mdi:cog-play", "options": modes, **asks})
    yield Entity(
        "switch",
        "maintenance",
        {
            **mode,
            **asks,
            "name": "Maintenance",
            "icon": "mdi:account-wrench",
            "payload_on": "maintenance",
            "state_on": "maintenance",
            "payload_off": "auto",
            "state_off": "auto",
            "value_template": "{{ 'maintenance' if value_json.mode == 'maintenance' else 'auto' }}",
        },
    )
    yield Entity(
        "number",
        "min_probability",
        {
            **CONFIGURES,
            "name": "Least confidence",
            "icon": "mdi:gauge-low",
            "min": 0,
            "max": 100,
            "step": 1,
            "unit_of_measurement": "%",
            "state_topic": topics.state,
            "value_template": "{{ (100 * value_json.min_probability) | round(1) }}",
            **_asks(topics, "set_threshold", {"min_probability": "(value / 100) | round(4)"}),
        },
    )


def _asks(topics: Topics, cmd: str, arguments: Mapping[str, str] | None = None) -> Settings:
    """How an entity sends a request. arguments: name → a template's expression, which gives JSON."""
    given = "".join(f', "{name}": {{{{ {expression} }}}}' for name, expression in (arguments or {}).items())
    dated = f'"ts": "{{{{ utcnow().isoformat() }}}}", "ttl_s": {REQUEST_TTL_S:g}'
    identity = '"id": "ha-{{ utcnow().timestamp() }}"'
    return {"command_topic": topics.request(cmd), "command_template": f"{{{identity}, {dated}{given}}}", "qos": 1}
