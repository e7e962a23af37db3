"""What Home Assistant is told. tests/home_assistant shows it to a real one."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2
import pytest

from edge.config import Config, Console, load_config
from edge.fault_table import BY_CODE
from edge.mqtt.announcer import Announcer
from edge.mqtt.catalogue import channel_of
from edge.mqtt.discovery import discovery_messages
from edge.payloads import TelemetryPayload, request_class

ROOT = Path(__file__).resolve().parents[3]
BASE = "smartbin/demo/"


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(ROOT / "configs/edge/sim.yaml")


@pytest.fixture(scope="module")
def messages(config: Config) -> dict[str, dict[str, Any]]:
    return {topic: json.loads(payload) for topic, payload in discovery_messages(config).items()}


def changed(config: Config, **mqtt: Any) -> Config:
    discovery = config.mqtt.discovery.model_copy(update=mqtt)
    return config.model_copy(update={"mqtt": config.mqtt.model_copy(update={"discovery": discovery})})


def topics_and_templates(message: dict[str, Any]) -> list[tuple[str, str]]:
    """Every topic that an entity reads, with the template that reads it."""
    pairs = [("state_topic", "value_template"), ("topic", "value_template"), ("image_topic", "")]
    pairs.append(("json_attributes_topic", "json_attributes_template"))
    entries = [message, *message.get("availability", [])]
    return [(entry[topic], entry.get(template, "")) for entry in entries for topic, template in pairs if topic in entry]


def resolve(schema: dict[str, Any], path: str) -> bool:
    """Whether a payload of this schema has a value at `decision.label`, `top3[0].p`."""
    node = schema
    for step in re.findall(r"\w+", path):
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        node = node.get("items", {}) if step.isdigit() else node.get("properties", {}).get(step, {})
    return bool(node)


def test_every_message_has_the_topic_that_home_assistant_looks_for(messages: dict[str, dict[str, Any]]) -> None:
    for topic in messages:
        assert re.fullmatch(r"homeassistant/\w+/smartbin_demo/[\w-]+/config", topic)


def test_no_two_entities_have_one_id(messages: dict[str, dict[str, Any]]) -> None:
    ids = [message["unique_id"] for message in messages.values() if "unique_id" in message]
    assert len(ids) == len(set(ids))
    assert all(identity.startswith("smartbin_demo_") for identity in ids)


def test_every_entity_reads_topics_and_fields_that_there_are(messages: dict[str, dict[str, Any]]) -> None:
    for name, message in messages.items():
        for topic, template in topics_and_templates(message):
            schema = channel_of(topic.removeprefix(BASE)).payload.model_json_schema()
            for path in re.findall(r"value_json\.([\w.\[\]]+)", template):
                assert resolve(schema, path), f"{name}: {path} is not on {topic}"


def test_every_entity_belongs_to_the_bin_and_goes_with_it(messages: dict[str, dict[str, Any]]) -> None:
    for message in messages.values():
        assert message["device"]["identifiers"] == ["smartbin_demo"]
        if "state_topic" in message and message["state_topic"] != f"{BASE}availability":
            assert message["availability"][0]["topic"] == f"{BASE}availability"
            assert message["availability_mode"] == "all"


def test_what_the_camera_sees_is_unavailable_without_it(messages: dict[str, dict[str, Any]]) -> None:
    last = messages["homeassistant/sensor/smartbin_demo/last_label/config"]
    assert [entry["topic"] for entry in last["availability"]] == [f"{BASE}availability", f"{BASE}state"]
    assert len(messages["homeassistant/sensor/smartbin_demo/camera/config"]["availability"]) == 1


def test_every_number_of_the_telemetry_is_a_diagnostic_that_expires(
    config: Config, messages: dict[str, dict[str, Any]]
) -> None:
    periodic = {topic: m for topic, m in messages.items() if m.get("state_topic") == f"{BASE}telemetry"}
    assert {topic.split("/")[3] for topic in periodic} == set(TelemetryPayload.model_fields) - {"schema_version", "ts"}
    for message in periodic.values():
        assert message["expire_after"] == 3 * config.mqtt.telemetry_s
        assert message["entity_category"] == "diagnostic"
    inference = messages["homeassistant/sensor/smartbin_demo/infer_p95_ms/config"]
    assert (inference["unit_of_measurement"], inference["device_class"]) == ("ms", "duration")


def test_there_is_a_problem_for_each_fault(messages: dict[str, dict[str, Any]]) -> None:
    problems = {topic.split("/")[3] for topic, message in messages.items() if message.get("device_class") == "problem"}
    assert problems == {"problem", *(f"fault_{code}" for code in BY_CODE)}


def test_counts_only_go_up_and_each_compartment_has_a_trigger(
    config: Config, messages: dict[str, dict[str, Any]]
) -> None:
    for compartment in config.actuator.positions:
        count = messages[f"homeassistant/sensor/smartbin_demo/count_{compartment}/config"]
        assert count["state_class"] == "total_increasing"
        trigger = messages[f"homeassistant/device_automation/smartbin_demo/sorted_{compartment}/config"]
        assert (trigger["type"], trigger["subtype"]) == ("sorted", compartment)


def asks(message: dict[str, Any], value: object = None) -> tuple[str, str]:
    """The command and the request of a control, as Home Assistant makes it of the template."""
    template = jinja2.Environment().from_string(message["command_template"])
    return message["command_topic"].rpartition("/")[2], template.render(value=value, utcnow=now)


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.mark.parametrize(
    ("control", "value", "cmd", "arguments"),
    [
        ("button/home", None, "home", {}),
        ("button/self_test", None, "self_test", {}),
        ("button/acknowledge", None, "acknowledge", {}),
        ("button/capture", None, "capture", {}),
        ("button/diagnose", None, "diagnose", {}),
        ("button/rollback", None, "rollback", {}),
        ("button/emptied_glass", None, "emptied", {"compartment": "glass"}),
        ("select/mode", "paused", "set_mode", {"mode": "paused"}),
        ("switch/maintenance", "maintenance", "set_mode", {"mode": "maintenance"}),
        ("switch/maintenance", "auto", "set_mode", {"mode": "auto"}),
        ("number/min_probability", 62.5, "set_threshold", {"min_probability": 0.625}),
    ],
)
def test_every_control_sends_a_request_that_the_bin_takes_and_never_the_same_twice(
    messages: dict[str, dict[str, Any]], control: str, value: object, cmd: str, arguments: dict[str, Any]
) -> None:
    component, key = control.split("/")
    message = messages[f"homeassistant/{component}/smartbin_demo/{key}/config"]
    (asked, text), (_, again) = asks(message, value), asks(message, value)
    request = request_class(asked).model_validate_json(text)
    assert (asked, request.model_dump(exclude={"id", "ts", "ttl_s"})) == (cmd, arguments)
    assert request.id != json.loads(again)["id"]
    assert request.ts is not None and abs((now() - request.ts).total_seconds()) < 60


def test_every_control_is_tried_above(messages: dict[str, dict[str, Any]]) -> None:
    controls = {topic.split("/")[3] for topic, message in messages.items() if "command_topic" in message}
    tried = {
        "home",
        "self_test",
        "acknowledge",
        "capture",
        "diagnose",
        "rollback",
        "mode",
        "maintenance",
        "min_probability",
    }
    assert {control for control in controls if not control.startswith("emptied_")} == tried


def test_a_level_is_shown_of_compartments_with_a_sensor_alone(config: Config) -> None:
    pi5 = load_config(ROOT / "configs/edge/pi5.yaml")
    shown = {topic.split("/")[3] for topic in discovery_messages(pi5) if "/fill_" in topic}
    assert shown == {f"fill_{sensor.compartment}" for sensor in pi5.fill}
    assert not any("/fill_" in topic for topic in discovery_messages(config))


def test_the_tray_is_shown_where_the_config_wants_it(config: Config) -> None:
    topic = "homeassistant/image/smartbin_demo/tray/config"
    assert topic not in discovery_messages(config)
    shown = config.model_copy(update={"mqtt": config.mqtt.model_copy(update={"publish_image": True})})
    assert json.loads(discovery_messages(shown)[topic])["image_topic"] == f"{BASE}image/last"


def test_the_console_and_the_site_are_named_when_the_config_does(config: Config) -> None:
    told = changed(config, console_url="https://bin-7.example.org:7860").model_copy(update={"site": "station hall"})
    device = json.loads(next(iter(discovery_messages(told).values())))["device"]
    assert device["configuration_url"] == "https://bin-7.example.org:7860"
    assert device["suggested_area"] == "station hall"


@pytest.mark.parametrize(
    ("console", "url"),
    [
        ({}, None),
        ({"host": "0.0.0.0"}, None),
        ({"host": "10.0.0.7"}, "http://10.0.0.7:7860"),
        (
            {"host": "bin-7.example.org", "port": 443, "cert_file": "c.pem", "key_file": "k.pem"},
            "https://bin-7.example.org:443",
        ),
    ],
)
def test_the_link_is_to_the_console_where_that_has_an_address(
    config: Config, console: dict[str, Any], url: str | None
) -> None:
    served = config.model_copy(update={"console": Console.model_validate(console)})
    device = json.loads(next(iter(discovery_messages(served).values())))["device"]
    assert device.get("configuration_url") == url


def test_the_prefix_is_the_configs_and_nothing_is_told_where_nothing_is_wanted(config: Config) -> None:
    assert all(topic.startswith("ha/") for topic in discovery_messages(changed(config, prefix="ha")))
    assert discovery_messages(changed(config, enabled=False)) == {}


def test_what_is_gone_is_taken_back_until_the_broker_has_it(tmp_path: Path) -> None:
    kept = tmp_path / "discovery.json"
    assert Announcer({"a": "1", "b": "2"}, kept).to_publish() == {"a": "1", "b": "2"}
    assert Announcer({"b": "2"}, kept).to_publish() == {"a": "", "b": "2"}, "the power went before it was taken back"
    again = Announcer({"b": "2", "c": "3"}, kept)
    assert list(again.to_publish().items()) == [("a", ""), ("b", "2"), ("c", "3")]
    again.settled("b")
    again.settled("a")
    assert Announcer({"b": "2"}, kept).to_publish() == {"c": "", "b": "2"}
    off = Announcer({}, kept)
    assert off.to_publish() == {"b": "", "c": ""}
    off.settled("b")
    off.settled("c")
    assert Announcer({}, kept).to_publish() == {}


@pytest.mark.parametrize("content", ["", "[1, 2", '{"a": 1}', "\x00"])
def test_a_damaged_memory_is_begun_anew(tmp_path: Path, content: str) -> None:
    kept = tmp_path / "discovery.json"
    kept.write_text(content)
    assert Announcer({"a": "1"}, kept).to_publish() == {"a": "1"}
    assert Announcer({}, kept).to_publish() == {"a": ""}


def test_a_memory_that_cannot_be_written_is_said_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Announcer({"a": "1"}, tmp_path / "no folder" / "discovery.json").to_publish() == {"a": "1"}
    assert "entities that go may stay in Home Assistant" in caplog.text
