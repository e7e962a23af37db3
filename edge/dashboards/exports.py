"""What `python -m edge mqtt export` makes, by for whom."""

from __future__ import annotations

from collections.abc import Callable

from edge.dashboards.asyncapi import asyncapi
from edge.dashboards.grafana import grafana
from edge.dashboards.home_assistant import home_assistant
from edge.dashboards.node_red import node_red
from edge.dashboards.telegraf import telegraf

EXPORTS: dict[str, tuple[str, Callable[[], str]]] = {
    "home-assistant": ("home-assistant.json", home_assistant),
    "node-red": ("node-red.json", node_red),
    "telegraf": ("telegraf.conf", telegraf),
    "grafana": ("grafana.json", grafana),
    "schema": ("asyncapi.json", asyncapi),
}
"""For whom → the file's name, and what makes it."""
