"""The broker that ships: it comes and goes cleanly, and treats clients of both protocol versions well."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.errors import BrokerError
from edge.mqtt.embedded_broker import EmbeddedBroker
from tests.brokers import Watcher


def publish(port: int, topic: str, payload: str, *, retain: bool = False) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_taken_port_is_explained() -> None:
    with (
        EmbeddedBroker(port=0) as first,
        pytest.raises(BrokerError, match=f"127.0.0.1:{first.port} is taken, probably by another broker; set mqtt.port"),
    ):
        EmbeddedBroker(port=first.port).__enter__()


def test_port_is_free_again_afterwards() -> None:
    with EmbeddedBroker(port=0) as first, Watcher(first.host, first.port, "a/#"):
        port = first.port
    with EmbeddedBroker(port=port) as second, Watcher(second.host, second.port, "a/#") as watching:
        publish(port, "a/b", "hello")
        watching.wait_for_payload("a/b", "hello")
    second.__exit__()  # twice is harmless


def test_retained_message_waits_for_subscribers() -> None:
    with EmbeddedBroker(port=0) as broker:
        publish(broker.port, "a/kept", "yes", retain=True)
        publish(broker.port, "a/gone", "no")
        with Watcher(broker.host, broker.port, "a/#") as watching:
            watching.wait_for_payload("a/kept", "yes")
            assert [(m.topic, m.retained) for m in watching.messages] == [("a/kept", True)]


def test_newcomer_hears_only_what_it_subscribed_to() -> None:
    """amqtt by itself sends a client that connects the retained messages of all other subscriptions."""
    with EmbeddedBroker(port=0) as broker, Watcher(broker.host, broker.port, "a/#"):
        publish(broker.port, "a/kept", "yes", retain=True)
        with Watcher(broker.host, broker.port, "b/#") as newcomer:
            publish(broker.port, "b/last", "end")
            newcomer.wait_for_payload("b/last", "end")
            assert [message.topic for message in newcomer.messages] == ["b/last"]


@pytest.mark.parametrize("with_will", [False, True])
def test_mqtt_5_is_refused_at_once_with_the_reason(with_will: bool) -> None:
    """amqtt by itself never answers a CONNECT of MQTT 5 that holds a last will."""
    reasons: list[str] = []

    def on_connect(client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        reasons.append(str(reason))

    with EmbeddedBroker(port=0) as broker:
        client = Client(
            CallbackAPIVersion.VERSION2,
            "smartbin-test",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.on_connect = on_connect
        if with_will:
            client.will_set("smartbin/test/availability", "offline", qos=1, retain=True)
        client.connect(broker.host, broker.port)
        for _ in range(20):
            if reasons:
                break
            client.loop(0.5)
    assert reasons == ["Unsupported protocol version"]


@pytest.mark.parametrize(
    "first_bytes", [b"", b"\x10", b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff", b"\x10\x02\x00\x04"]
)
def test_rude_clients_do_not_disturb_the_others(first_bytes: bytes) -> None:
    with EmbeddedBroker(port=0) as broker, Watcher(broker.host, broker.port, "a/#") as watching:
        rude = socket.create_connection((broker.host, broker.port))
        rude.sendall(first_bytes)
        rude.close()
        publish(broker.port, "a/b", "still here")
        watching.wait_for_payload("a/b", "still here")


def test_client_that_says_nothing_does_not_hold_up_the_end() -> None:
    with EmbeddedBroker(port=0) as broker:
        silent = socket.create_connection((broker.host, broker.port))
    assert silent.recv(1) == b""  # closed by the broker
    silent.close()


def test_nothing_is_left_when_it_stops(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """asyncio's debug mode tells of tasks destroyed while pending, and of exceptions that nobody took."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    with EmbeddedBroker(port=0) as broker, Watcher(broker.host, broker.port, "a/#") as watching:
        publish(broker.port, "a/b", "hello", retain=True)
        watching.wait_for_payload("a/b", "hello")
    gc.collect()
    assert [
        r.message for r in caplog.records if r.name.startswith(("asyncio", "edge")) and r.levelname == "ERROR"
    ] == []


def test_runs_as_a_program_of_its_own() -> None:
    command = [sys.executable, "-W", "error", "-m", "edge.mqtt.embedded_broker", "--port"]
    first = subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.stdout is not None
    host, port = first.stdout.readline().split()[-1].split(":")
    assert host == "127.0.0.1"
    publish(int(port), "a/b", "hello")
    second = subprocess.run([*command, port], capture_output=True, text=True, timeout=60)
    assert second.returncode == BrokerError.exit_code
    assert f"127.0.0.1:{port} is taken" in second.stderr and "Traceback" not in second.stderr
    os.kill(first.pid, signal.SIGTERM)
    output, errors = first.communicate(timeout=20)
    assert (first.returncode, output, errors) == (0, "", "")
