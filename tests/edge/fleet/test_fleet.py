"""Simulated bins at a real Mosquitto."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.config import load_config
from edge.errors import BrokerError
from edge.mqtt.catalogue import CHANNELS, channel_of
from edge.simulate.fleet import bin as bin_module
from edge.simulate.fleet.broker import listening_pid
from edge.simulate.fleet.command import simulate_bins
from edge.simulate.fleet.plan import Plan
from tests.brokers import Mosquitto, Watcher

pytestmark = pytest.mark.needs_mosquitto

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"
SELDOM = {"image/last", "compartment/<c>/fill", "response/<cmd>"}
"""Of bins with a picture, with a fill sensor, and those that are asked."""


def test_a_restart_of_the_broker_in_the_middle_loses_no_event_of_twenty_bins(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["--bins", "20", "--rate", "30", "--seconds", "6", "--restart-broker-after", "3", "--subscribers", "2"]
    done = CliRunner().invoke(app, ["simulate", *arguments, "--report", str(report)])
    assert done.exit_code == 0, done.output
    (size,) = json.loads(report.read_text())["sizes"]
    delivery = size["delivery"]
    assert 40 <= delivery["delivered"] == delivery["finished"] <= 80
    assert delivery["lost"] == delivery["unsent"] == 0
    assert size["reconnections"] >= 20 and size["broker_away_s"] > 0
    assert size["broker_cpu_s"] > 0 and size["broker_mib"] > 1
    assert delivery["live_ms"] == sorted(delivery["live_ms"]) and delivery["live_ms"][0] > 0
    assert size["sorting"]["messages"]["classification"] >= delivery["finished"]
    out = size["sorting"]["out"]
    assert (out is not None) == _the_system_tells_what_tcp_carried()
    assert out is None or out > sum(size["sorting"]["bytes"].values()) * 0.9, "the wire, and what is on it"


def _the_system_tells_what_tcp_carried() -> bool:
    """An emulated one may not."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        return len(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)) >= 136


def test_a_simulated_bin_says_what_a_bin_says_and_takes_it_back_from_a_broker_that_is_not_its_own(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(SIM)
    document = config.model_dump(mode="json", by_alias=True)
    document["mqtt"]["telemetry_s"] = 1
    config = type(config).model_validate(document)
    monkeypatch.setattr(bin_module, "LOOK_S", 0.1)
    monkeypatch.setattr(bin_module, "ACTUATE_S", 0.1)
    url = f"mqtt://{mosquitto.host}:{mosquitto.port}"
    with Watcher(mosquitto.host, mosquitto.port) as watching:
        assert simulate_bins(config, [Plan(2, 30, 3)], url, None, None, None)
        said = [message for message in watching.messages if not message.retained]
    bins = {message.topic.split("/")[1] for message in said}
    assert len(bins) == 2
    paths = {channel_of(message.topic.split("/", 2)[2]).path for message in said}
    assert paths == {channel.path for channel in CHANNELS} - SELDOM | {"image/last"}, "an empty picture clears the last"
    for message in said:
        channel = channel_of(message.topic.split("/", 2)[2])
        if message.payload and not channel.bare:
            channel.payload.model_validate_json(message.payload)
    with Watcher(mosquitto.host, mosquitto.port) as late, pytest.raises(AssertionError):
        late.wait_until(lambda seen: seen, timeout_s=0.5)


def test_a_broker_that_refuses_the_bins_ends_the_run_with_its_reason(guarded_broker: Mosquitto) -> None:
    url = f"mqtt://{guarded_broker.host}:{guarded_broker.port}"
    with pytest.raises(BrokerError, match="refused the connection: Not authorized"):
        simulate_bins(load_config(SIM), [Plan(2, 6, 1)], url, None, None, None)


def test_a_broker_of_this_machine_is_found_by_its_port(mosquitto: Mosquitto) -> None:
    assert listening_pid(mosquitto.host, mosquitto.port) == mosquitto._process.pid
    assert listening_pid("192.0.2.1", mosquitto.port) is None
