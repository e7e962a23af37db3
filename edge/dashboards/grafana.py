"""A Grafana dashboard of all bins of all sites, over the tables that Telegraf fills (edge/dashboards/telegraf.py)."""

from __future__ import annotations

import json
from typing import Any

from edge.dashboards.queries import PANELS, VARIABLES, Panel

DATASOURCE = {"type": "grafana-postgresql-datasource", "uid": "${datasource}"}
COLUMNS = 24
"""How many Grafana's grid has."""


def grafana() -> str:
    """For Grafana 10 or later: Dashboards, New, Import; it asks for the PostgreSQL data source."""
    dashboard = {
        "title": "Smart bins",
        "uid": "smartbins",
        "tags": ["smartbin"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), *(_variable(name, query) for name, query in VARIABLES.items())]},
        "panels": _panels(),
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Database", "type": "datasource", "query": DATASOURCE["type"]}


def _variable(name: str, query: str) -> dict[str, Any]:
    """A choice above the dashboard: one, several or all."""
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels() -> list[dict[str, Any]]:
    """From left to right, and from top to bottom."""
    placed, x, y, row_height = [], 0, 0, 0
    for number, panel in enumerate(PANELS, start=1):
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        placed.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
        x, row_height = x + panel.width, max(row_height, panel.height)
    return placed


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    target = {"refId": "A", "datasource": DATASOURCE, "rawQuery": True, "rawSql": panel.sql, "editorMode": "code"}
    defaults: dict[str, Any] = {"color": {"mode": "thresholds" if panel.limits else "palette-classic"}}
    if panel.unit:
        defaults["unit"] = panel.unit
    if panel.limits:
        (_, lowest), *others = panel.limits
        steps: list[dict[str, Any]] = [{"value": None, "color": lowest}]
        steps += [{"value": value, "color": color} for value, color in others]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if panel.unit == "percent":
        defaults |= {"min": 0, "max": 100}
    options: dict[str, Any] = {}
    if panel.kind in ("stat", "bargauge"):
        options["reduceOptions"] = {"values": panel.kind == "bargauge", "calcs": ["lastNotNull"], "fields": ""}
    if panel.kind == "bargauge":
        options |= {"orientation": "horizontal", "displayMode": "gradient"}
    return {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "gridPos": place,
        "datasource": DATASOURCE,
        "targets": [{**target, "format": "time_series" if panel.kind == "timeseries" else "table"}],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }
