"""Mosquitto with a database of its own: what a bin said outlives a restart of the broker."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.clock import ManualClock
from edge.config import Mqtt
from edge.domain import Outcome
from edge.faults import Faults
from edge.journal import SteadyJournal
from edge.mqtt.client import MqttPublisher
from edge.payloads import StatePayload, VersionsPayload
from tests.brokers import Mosquitto, Watcher, sample_event

BASE = "smartbin/test"
STATE = StatePayload(
    phase="waiting", mode="auto", faults=[], versions=VersionsPayload(program="0.1.0", model="1.0.0"), engine="x"
)


class Database:
    """A subscriber that the broker keeps messages for while it is away, as Telegraf is one."""

    def __init__(self, port: int) -> None:
        self.arrived: list[str] = []
        self._changed = threading.Condition()
        self._port, self._connected = port, False

    def __enter__(self) -> Database:
        self._connected = False
        self._client = Client(
            CallbackAPIVersion.VERSION2, "database", clean_session=False, protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.on_connect = lambda client, *_: client.subscribe(f"{BASE}/classification", qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self.wait(lambda: self._connected)
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, condition: object) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 15), self.arrived  # type: ignore[arg-type]

    def _on_subscribe(self, *_: object) -> None:
        with self._changed:
            self._connected = True
            self._changed.notify_all()

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        with self._changed:
            self.arrived.append(json.loads(message.payload)["event_id"])
            self._changed.notify_all()


@pytest.mark.needs_mosquitto
def test_retained_state_and_what_waits_for_a_database_outlive_a_restart_of_the_broker(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, "allow_anonymous true", "persistence true", f"persistence_location {tmp_path}/")
    try:
        database = Database(broker.port)
        with database:
            pass  # known to the broker from now on, and away
        sent = sort_one(tmp_path, broker.port)
        broker.stop()
        broker.restart()
        with Watcher(broker.host, broker.port) as late:
            late.wait_for_payload(f"{BASE}/state", STATE.to_json())
            late.wait_for_payload(f"{BASE}/compartment/glass/count", "1")
            late.wait_for_payload(f"{BASE}/availability", "offline")
            assert all(message.retained for message in late.messages)
        with database:
            database.wait(lambda: database.arrived == [sent])
    finally:
        broker.stop()


def sort_one(folder: Path, port: int) -> str:
    """A bin comes, sorts one item, and goes; the event's id."""
    clock = ManualClock()
    faults = Faults(clock)
    with ExitStack() as stack:
        journal = SteadyJournal(folder / "j", max_events=10, max_in_memory=10, faults=faults, clock=clock)
        stack.enter_context(journal)
        publisher = stack.enter_context(
            MqttPublisher(Mqtt(port=port), "test", journal, faults, clock, compartments=("glass",))
        )
        publisher.set_state(STATE)
        event = sample_event(journal.next_seq())
        journal.record(event)
        journal.complete(sample_event(event.seq, "glass", Outcome.CONFIRMED, event.event_id))
        assert publisher.drain(15) == 0
    return str(event.event_id)
