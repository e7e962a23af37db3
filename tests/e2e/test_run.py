"""The daemon as its users run it: a process, a broker, and somebody who watches."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import cv2
import jsonschema
import pytest

from edge.bundle import read_golden
from edge.config import load_config
from edge.payloads import json_schemas
from tests.brokers import BrokerUnderTest, Mosquitto, Watcher
from tests.e2e.daemons import RunningDaemon, edge, sim_config

TOPIC = "smartbin/demo"


def port_of(config: Path) -> int:
    return load_config(config).mqtt.port


@pytest.mark.needs_mosquitto
def test_eight_items_are_sorted_reported_and_seen_by_mosquitto_sub(tmp_path: Path) -> None:
    config, report = sim_config(tmp_path, captures={"sample_share": 1.0}), tmp_path / "out.jsonl"
    with RunningDaemon(config, "--max-items", "8", "--report", report) as daemon:
        topic = f"{TOPIC}/classification"
        watch = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port_of(config)), "-t", topic, "-C", "8", "-W", "100"]
        seen = subprocess.run(watch, capture_output=True, text=True, timeout=120, check=True).stdout
        assert daemon.end() == 0, daemon.output
    events = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(events) == 8
    for event in events:
        jsonschema.validate(event, json_schemas()["classification"])
        assert len(event["top3"]) == 3
        assert event["decision"]["reason"] in {"CONFIDENT", "COST", "UNCERTAIN", "NOVEL", "MIXED"}
        assert event["actuation"]["outcome"] == "CONFIRMED"
        assert set(event["latency_ms"]) == {"capture", "preprocess", "infer", "decide", "actuate"}
        assert event["latency_ms"]["infer"] > 0
    ids = [event["event_id"] for event in events]
    assert [json.loads(line)["event_id"] for line in seen.splitlines()] == ids
    assert [path.name for path in sorted((tmp_path / "state/captures").iterdir())] == [
        f"{seq:010d}-{event_id}.jpg" for seq, event_id in enumerate(ids, 1)
    ]


@pytest.mark.needs_mosquitto
def test_the_same_daemon_works_with_mosquitto_which_says_offline_when_it_is_killed(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    config = sim_config(tmp_path, mqtt={"host": mosquitto.host, "port": mosquitto.port, "embedded_broker": False})
    with Watcher(mosquitto.host, mosquitto.port) as watcher, RunningDaemon(config) as daemon:
        watcher.wait_for(lambda message: message.topic == f"{TOPIC}/availability" and message.payload == b"online", 30)
        event = watcher.wait_for(lambda message: message.topic == f"{TOPIC}/classification", 60)
        jsonschema.validate(json.loads(event.payload), json_schemas()["classification"])
        daemon.end(signal.SIGKILL)
        watcher.wait_for(lambda message: message.topic == f"{TOPIC}/availability" and message.payload == b"offline", 60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stopped_daemon_closes_the_flap_says_offline_and_exits_0(
    tmp_path: Path, broker: BrokerUnderTest, number: signal.Signals
) -> None:
    config = sim_config(tmp_path, mqtt={"host": broker.host, "port": broker.port, "embedded_broker": False})
    with Watcher(broker.host, broker.port) as watcher, RunningDaemon(config) as daemon:
        watcher.wait_for(lambda message: message.topic == f"{TOPIC}/availability" and message.payload == b"online", 30)
        assert daemon.end(number) == 0, daemon.output
        assert "the flap is closed" in daemon.output
        watcher.wait_for(lambda message: message.topic == f"{TOPIC}/availability" and message.payload == b"offline", 30)


def test_photographs_of_ones_own_are_sorted_too(tmp_path: Path, bundle_path: Path) -> None:
    golden = read_golden(bundle_path / "golden.npz")
    photographs = tmp_path / "my photographs"
    photographs.mkdir()
    cv2.imwrite(str(photographs / "item.png"), cv2.cvtColor(golden.images[0], cv2.COLOR_RGB2BGR))
    (photographs / "notes.jpg").write_text("not a picture")
    config, report = sim_config(tmp_path), tmp_path / "out.jsonl"
    done = edge("run", "--config", config, "--images", photographs, "--max-items", "1", "--report", report)
    assert done.returncode == 0, done.stderr
    [line] = report.read_text().splitlines()
    assert json.loads(line)["top3"][0]["label"] == golden.labels[golden.logits[0].argmax()]
    assert "notes.jpg" in done.stderr, "what cannot be shown is named"


def test_bench_prints_memory_and_start_time_beside_the_bare_engine() -> None:
    done = edge("bench", "--items", "1", "--json")
    assert done.returncode == 0, done.stderr
    bench = json.loads(done.stdout)
    assert bench["ready_s"] > 0
    assert bench["sorting_peak_mib"] >= bench["ready_mib"] * 0.9
    assert bench["bare_engine_mib"] > 50
    assert 0 < bench["process_ms"] < bench["around"]["engine_ms"] + 50
    assert bench["delay_frames"] >= 0
    assert bench["items"] == 1
    around = bench["around"]
    assert around["engine"].startswith("onnxruntime")
    assert min(around["item_ms"], around["frame_ms"], around["engine_ms"]) > 0
