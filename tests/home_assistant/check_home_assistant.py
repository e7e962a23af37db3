"""A real Home Assistant and a real bin at one broker: it finds the bin, shows it rightly, and the bin obeys it.

Not among the tests by itself: it needs an environment with requirements.txt of this folder. `make test-home-assistant`
brings it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.config import load_config
from edge.fault_table import BY_CODE
from edge.mqtt.discovery import discovery_messages
from tests.brokers import ALLOWED, PASSWORD, Mosquitto, Watcher, free_port
from tests.browser import Page, expect, screenshot
from tests.e2e.daemons import RunningDaemon, sim_config

PYTHON = Path(os.environ["SMARTBIN_HOME_ASSISTANT"]).absolute()
"""The Python of its environment."""
HASS = Path(__file__).with_name("hass.py")
SMART_BIN = "smart_bin_demo"

PATIENCE_MS = 180_000
"""Home Assistant's page is slow to come on a busy machine."""

pytestmark = [pytest.mark.needs_mosquitto, pytest.mark.browser, pytest.mark.timeout(1800)]


class HomeAssistant:
    """The process that hass.py is, from its first word on. A context manager."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        self.http_port = free_port()
        command = [str(PYTHON), str(HASS), str(folder), "--http-port", str(self.http_port), "--port", str(port)]
        self._log = (folder.parent / "hass.log").open("w")
        self._process = subprocess.Popen(
            [*command, "--username", ALLOWED, "--password", PASSWORD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __enter__(self) -> HomeAssistant:
        try:
            assert self._answer() == {"runs": True}
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def call(self, service: str, entity: str, **data: Any) -> None:
        domain = service.partition(".")[0]
        self.ask("call", service=service, data={"entity_id": f"{domain}.{SMART_BIN}_{entity}", **data})

    def states(self) -> dict[str, dict[str, Any]]:
        """By unique id."""
        said = self.ask("states")
        return {
            unique_id: said["states"][entity_id]
            for entity_id, unique_id in said["unique_ids"].items()
            if entity_id in said["states"]
        }

    def wait_for(self, what: Callable[[dict[str, dict[str, Any]]], object], timeout_s: float = 60.0) -> None:
        until_s = time.monotonic() + timeout_s
        while not what(states := self.states()):
            assert time.monotonic() < until_s, json.dumps(states, indent=1)
            time.sleep(0.3)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"Home Assistant ended:\n{Path(self._log.name).read_text()[-3000:]}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture
def bin_config(guarded_broker: Mosquitto, tmp_path: Path) -> Path:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    broker = {"host": "127.0.0.1", "port": guarded_broker.port, "embedded_broker": False}
    broker |= {"username": ALLOWED, "password_file": str(password), "telemetry_s": 2.0}
    return sim_config(tmp_path, mqtt=broker)


@pytest.fixture
def hass(guarded_broker: Mosquitto, tmp_path: Path) -> Iterator[HomeAssistant]:
    with HomeAssistant(tmp_path / "hass", guarded_broker.port) as running:
        yield running


def state_of(states: dict[str, dict[str, Any]], key: str) -> str:
    return str(states.get(f"smartbin_demo_{key}", {}).get("state"))


def test_a_bin_appears_is_shown_as_it_is_obeys_and_goes(
    guarded_broker: Mosquitto, bin_config: Path, hass: HomeAssistant, page: Page
) -> None:
    messages = {topic: json.loads(text) for topic, text in discovery_messages(load_config(bin_config)).items()}
    with (
        Watcher(guarded_broker.host, guarded_broker.port, "smartbin/#", ALLOWED) as watcher,
        RunningDaemon(bin_config) as daemon,
    ):
        # Every entity is there, with the state that the broker has.
        ids = {message["unique_id"] for message in messages.values() if "unique_id" in message}
        hass.wait_for(lambda states: states.keys() >= ids)
        hass.wait_for(lambda states: state_of(states, "last_label") not in ("unavailable", "unknown"))
        hass.wait_for(lambda states: state_of(states, "infer_p95_ms") not in ("unavailable", "unknown", "None"))
        shown_rightly(hass, watcher)
        on_its_page(hass, page)
        # Device triggers, one for each compartment; and nothing that this version says it does not understand.
        compartments = set(load_config(bin_config).actuator.positions)
        triggers = hass.ask("triggers")["triggers"]
        assert {trigger["subtype"] for trigger in triggers if trigger["type"] == "sorted"} == compartments
        dropped = hass.ask("fields", messages=messages)
        assert {topic.split("/")[1]: fields for topic, fields in dropped.items()} == {
            "device_automation": ["origin"],
            "switch": ["command_template"],  # known from 2024.8 on; the select does the same
        }
        obeys(hass, watcher)
        assert daemon.end(signal.SIGTERM) == 0
        hass.wait_for(lambda states: state_of(states, "connected") == "off")
        states = hass.states()
        shown = {key for key in ids if states[key]["state"] != "unavailable"} - {"smartbin_demo_connected"}
        assert shown == set(), "a bin that is off shows nothing"
    troubles = [line for line in hass.ask("states")["logged"] if "Support for the running Python version" not in line]
    assert troubles == []


def shown_rightly(hass: HomeAssistant, watcher: Watcher) -> None:
    """What Home Assistant shows is what the newest messages say, once no message comes in between."""

    def agrees(states: dict[str, dict[str, Any]]) -> bool:
        newest = {
            message.topic.removeprefix("smartbin/demo/"): message.payload.decode() for message in watcher.messages
        }
        state, last = json.loads(newest["state"]), json.loads(newest["classification/last"])
        standing = {fault["code"] for fault in state["faults"]}
        told = {
            "phase": state["phase"],
            "mode": state["mode"],
            "engine": state["engine"],
            "last_label": last["decision"]["label"],
            "last_compartment": last["decision"]["compartment"],
            "last_outcome": last["actuation"]["outcome"],
            "problem": "on" if standing else "off",
            "connected": "on",
            "camera": "ok",
            "model": "off",  # there is none to bring
            **{f"fault_{code}": "on" if code in standing else "off" for code in BY_CODE},
            **{f"count_{topic.split('/')[1]}": text for topic, text in newest.items() if topic.endswith("/count")},
            **{f"purity_{topic.split('/')[1]}": text for topic, text in newest.items() if topic.endswith("/purity")},
        }
        return all(state_of(states, key) == text for key, text in told.items())

    hass.wait_for(agrees)


def on_its_page(hass: HomeAssistant, page: Page) -> None:
    """The device's page in Home Assistant, as an operator opens it."""
    device = hass.ask("states")["devices"]["Smart bin demo"]
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(f"http://127.0.0.1:{hass.http_port}/config/devices/device/{device}")
    expect(page.get_by_text("Items glass").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("Last item").first).to_be_visible(timeout=PATIENCE_MS)
    screenshot(page, "home-assistant-device")


def obeys(hass: HomeAssistant, watcher: Watcher) -> None:
    """Every control is pressed, and the bin says of each that it is done; the states follow."""

    def answer(cmd: str, times: int = 1) -> dict[str, Any]:
        topic = f"smartbin/demo/response/{cmd}"
        watcher.wait_until(lambda seen: sum(message.topic == topic for message in seen) >= times, 30)
        response: dict[str, Any] = json.loads(watcher.payloads(topic)[times - 1])
        return response

    def answered(cmd: str, times: int = 1) -> None:
        response = answer(cmd, times)
        assert response["ok"], response

    hass.call("select.select_option", "mode", option="paused")
    answered("set_mode")
    hass.wait_for(lambda states: state_of(states, "mode") == "paused")
    for button, cmd in (
        ("home", "home"),
        ("acknowledge_faults", "acknowledge"),
        ("self_test", "self_test"),
        ("keep_a_picture", "capture"),
        ("write_a_diagnosis", "diagnose"),
        ("glass_emptied", "emptied"),
    ):
        for press in range(1, 10):  # the guard says no to homing while something moves in the tray
            hass.call("button.press", button)
            if answer(cmd, press)["ok"]:
                break
            assert cmd == "home", answer(cmd, press)
            time.sleep(2)
        answered(cmd, press)
    hass.call("number.set_value", "least_confidence", value=62)
    answered("set_threshold")
    hass.wait_for(lambda states: state_of(states, "min_probability") == "62.0")
    hass.call("select.select_option", "mode", option="auto")
    answered("set_mode", times=2)
    hass.wait_for(lambda states: state_of(states, "maintenance") == "off")
