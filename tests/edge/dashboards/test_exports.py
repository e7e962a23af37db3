"""What is made for dashboards says what the bin says. tests/test_project.py holds what ships against it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

try:
    import tomllib
except ImportError:  # Python 3.10; pytest brings the same under its former name
    import tomli as tomllib
from typer.testing import CliRunner

from edge.__main__ import app
from edge.dashboards.asyncapi import asyncapi
from edge.dashboards.exports import EXPORTS
from edge.dashboards.grafana import grafana
from edge.dashboards.node_red import PARTS, SHOWN, node_red
from edge.dashboards.queries import PANELS
from edge.dashboards.telegraf import TABLES, columns_of, table_of, telegraf
from edge.mqtt.catalogue import CHANNELS
from edge.payloads import COMMANDS

ROOT = Path(__file__).resolve().parents[3]


def test_nothing_else_ships() -> None:
    assert {path.name for path in (ROOT / "configs/dashboards").iterdir()} == {name for name, _ in EXPORTS.values()}


def test_the_command_prints_one_and_writes_all(tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["mqtt", "export", "--for", "grafana"])
    assert (printed.exit_code, json.loads(printed.stdout)) == (0, json.loads(grafana()))
    CliRunner().invoke(app, ["mqtt", "export", "--for", "all", "--out", str(tmp_path / "new")])
    assert {path.name for path in (tmp_path / "new").iterdir()} == {name for name, _ in EXPORTS.values()}


def test_an_unknown_dashboard_is_answered_with_those_that_there_are() -> None:
    answer = CliRunner().invoke(app, ["mqtt", "export", "--for", "excel"])
    assert answer.exit_code == 2
    assert "nothing for 'excel'; there is home-assistant, node-red, telegraf, grafana, schema, all" in answer.output


# AsyncAPI.


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [node["$ref"]] if "$ref" in node else [ref for value in node.values() for ref in references(value)]
    return [ref for value in node for ref in references(value)] if isinstance(node, list) else []


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    document = json.loads(asyncapi())
    assert references(document)
    for reference in references(document):
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_topic_is_in_the_schema_with_its_parameters() -> None:
    document = json.loads(asyncapi())
    addresses = {channel["address"]: channel for channel in document["channels"].values()}
    assert len(addresses) == len(CHANNELS) + len(COMMANDS)
    received = {name for name, operation in document["operations"].items() if operation["action"] == "receive"}
    assert received == {f"request_{cmd}" for cmd in COMMANDS}
    for address, channel in addresses.items():
        assert set(channel["parameters"]) == set(re.findall(r"{(\w+)}", address))


# Telegraf.


def test_telegraf_gets_an_input_for_each_table() -> None:
    inputs = tomllib.loads(telegraf())["inputs"]["mqtt_consumer"]
    assert [entry["name_override"] for entry in inputs] == [table_of(channel) for channel in TABLES.values()]
    assert len({entry["client_id"] for entry in inputs}) == len(inputs), "a broker lets each id in once"
    for entry, channel in zip(inputs, TABLES.values(), strict=True):
        (parsing,) = entry["topic_parsing"]
        assert len(parsing["tags"].split("/")) == len(parsing["topic"].split("/"))
        assert (entry["topics"], entry["qos"]) == ([channel.pattern], channel.qos)


def test_no_table_has_two_columns_of_one_name() -> None:
    for channel in TABLES.values():
        names = [column.name for column in columns_of(channel)]
        assert len(names) == len(set(names)), channel.path


# Grafana.


def test_panels_fill_the_grid_without_lying_on_each_other() -> None:
    panels = json.loads(grafana())["panels"]
    assert [panel["title"] for panel in panels] == [panel.title for panel in PANELS]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


# Node-RED.


def test_the_flows_wires_lead_to_nodes_that_there_are() -> None:
    nodes = {node["id"]: node for node in json.loads(node_red())}
    for node in nodes.values():
        targets = [target for output in node.get("wires", []) for target in output]
        targets += [
            node[key] for key in ("z", "broker", "ui", "theme", "page", "group") if node.get(key) and key != "broker"
        ]
        targets += [node["broker"]] if node["type"].startswith("mqtt ") else []
        assert set(targets) <= nodes.keys(), node["id"]


def test_the_flow_hears_topics_that_there_are_and_its_code_knows_each() -> None:
    assert set(SHOWN) <= {channel.path for channel in CHANNELS}
    code = (PARTS / "fleet.js").read_text(encoding="utf-8")
    for path in SHOWN:
        assert f"'{path.split('/<')[0]}'" in code, path
