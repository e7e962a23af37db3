"""A Node-RED flow that shows all bins of a broker on one page, and asks things of them.

It needs the palette @flowfuse/node-red-dashboard. The code of its nodes stands in parts/.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.mqtt.catalogue import CHANNELS, Channel

PARTS = Path(__file__).resolve().parent / "parts"
SHOWN = (
    "availability",
    "state",
    "classification/last",
    "alert/<code>",
    "compartment/<c>/count",
    "compartment/<c>/fill",
    "compartment/<c>/purity",
    "response/<cmd>",
)
"""The topics that the page is made of."""

EVERY_S = 1
TAB, BROKER, BASE, THEME, PAGE, GROUP = (
    f"smartbin-{name}" for name in ("tab", "broker", "base", "theme", "page", "group")
)
FLEET, ROWS, TICK, TABLE, REQUEST, OUT = (
    f"smartbin-{name}" for name in ("fleet", "rows", "tick", "table", "request", "out")
)


def node_red() -> str:
    """For Node-RED's menu: Import."""
    return json.dumps([*_settings(), *_listening(), *_page()], indent=1) + "\n"


def _settings() -> list[dict[str, Any]]:
    return [
        {"id": TAB, "type": "tab", "label": "Smart bins", "info": "Set the broker in any of the mqtt nodes."},
        {
            "id": BROKER, "type": "mqtt-broker", "name": "bins", "broker": "127.0.0.1", "port": "1883",
            "clientid": "", "autoConnect": True, "usetls": False, "protocolVersion": "5", "keepalive": "60",
            "cleansession": True, "autoUnsubscribe": True,
        },
        {
            "id": BASE, "type": "ui-base", "name": "Smart bins", "path": "/dashboard", "includeClientData": True,
            "acceptsClientConfig": ["ui-notification", "ui-control"], "showPathInSidebar": False,
            "navigationStyle": "none", "titleBarStyle": "default",
        },
        {
            "id": THEME, "type": "ui-theme", "name": "Smart bins",
            "colors": {
                "surface": "#2e7d32", "primary": "#2e7d32", "bgPage": "#f5f5f5", "groupBg": "#ffffff",
                "groupOutline": "#dddddd",
            },
            "sizes": {
                "density": "default", "pagePadding": "12px", "groupGap": "12px", "groupBorderRadius": "4px",
                "widgetGap": "12px",
            },
        },
        {
            "id": PAGE, "type": "ui-page", "name": "Fleet", "ui": BASE, "path": "/fleet", "icon": "recycle",
            "layout": "grid", "theme": THEME, "order": 1, "className": "", "visible": True, "disabled": False,
        },
        {
            "id": GROUP, "type": "ui-group", "name": "Bins", "page": PAGE, "width": "12", "height": "1", "order": 1,
            "showTitle": False, "className": "", "visible": True, "disabled": False, "groupType": "default",
        },
    ]  # fmt: skip


def _listening() -> list[dict[str, Any]]:
    """A node for each topic, and the one that remembers what they bring."""
    shown = [channel for channel in CHANNELS if channel.path in SHOWN]
    nodes = [_mqtt_in(row, channel) for row, channel in enumerate(shown)]
    return [*nodes, _function(FLEET, "remember", "fleet.js", x=400, y=160, to=None)]


def _mqtt_in(row: int, channel: Channel) -> dict[str, Any]:
    return {
        "id": f"smartbin-in-{row}", "type": "mqtt in", "z": TAB, "name": channel.path, "topic": channel.pattern,
        "qos": str(channel.qos), "datatype": "utf8", "broker": BROKER, "nl": False, "rap": True, "rh": 0,
        "inputs": 0, "x": 150, "y": 60 + 50 * row, "wires": [[FLEET]],
    }  # fmt: skip


def _page() -> list[dict[str, Any]]:
    return [
        {
            "id": TICK, "type": "inject", "z": TAB, "name": f"every {EVERY_S} s", "props": [], "repeat": str(EVERY_S),
            "once": True, "onceDelay": 0.1, "x": 150, "y": 520, "wires": [[ROWS]],
        },
        _function(ROWS, "what the page shows", "rows.js", x=400, y=520, to=TABLE),
        {
            "id": TABLE, "type": "ui-template", "z": TAB, "group": GROUP, "page": "", "ui": "", "name": "bins",
            "order": 1, "width": "0", "height": "0", "head": "", "format": _part("fleet.vue"),
            "storeOutMessages": True, "passthru": False, "resendOnRefresh": True, "templateScope": "local",
            "className": "", "x": 620, "y": 520, "wires": [[REQUEST]],
        },
        _function(REQUEST, "request", "request.js", x=800, y=520, to=OUT),
        {
            "id": OUT, "type": "mqtt out", "z": TAB, "name": "to the bin", "topic": "", "qos": "", "retain": "",
            "broker": BROKER, "x": 980, "y": 520, "wires": [],
        },
    ]  # fmt: skip


def _function(node: str, name: str, part: str, *, x: int, y: int, to: str | None) -> dict[str, Any]:
    return {
        "id": node, "type": "function", "z": TAB, "name": name, "func": _part(part), "outputs": 1 if to else 0,
        "timeout": 0, "noerr": 0, "initialize": "", "finalize": "", "libs": [], "x": x, "y": y,
        "wires": [[to]] if to else [],
    }  # fmt: skip


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")
