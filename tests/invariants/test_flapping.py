"""Rule 5 with a bad cable: the connection to a real broker is cut two hundred times, while the bin sorts."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Mqtt
from edge.domain import Outcome
from edge.faults import Faults
from edge.journal import Journal
from edge.mqtt.client import MqttPublisher
from tests.brokers import Mosquitto, Watcher, sample_event

CUTS = 200
BACKLOG_A_SECOND = 50.0


class Cable:
    """A TCP connection that can be cut: what connects to `port` reaches the broker while it is plugged in."""

    def __init__(self, broker: Mosquitto) -> None:
        self._target = (broker.host, broker.port)
        self._server = socket.create_server((broker.host, 0))
        self.port = int(self._server.getsockname()[1])
        self._ends: list[socket.socket] = []
        self._plugged = threading.Event()
        self._plugged.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._plugged.clear()
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def plug(self) -> None:
        self._plugged.set()

    def close(self) -> None:
        self.cut()
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if not self._plugged.is_set():
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(data)
        for end in (source, sink):
            end.close()


@pytest.mark.needs_mosquitto
@pytest.mark.timeout(600)
def test_a_connection_cut_two_hundred_times_loses_nothing_and_marks_what_is_late(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MqttPublisher, "backoff_s", (0.01, 0.05))
    rng, clock, cable = random.Random(1), SystemClock(), Cable(mosquitto)
    config = Mqtt(host="127.0.0.1", port=cable.port, replay_per_s=BACKLOG_A_SECOND)
    changed = threading.Condition()
    while_away: set[str] = set()
    everything: list[str] = []
    with (
        Watcher(mosquitto.host, mosquitto.port, "smartbin/test/classification") as watcher,
        Journal(tmp_path / "journal.db", max_events=10_000) as journal,
        MqttPublisher(config, "test", journal, Faults(clock), clock) as publisher,
    ):

        def sort() -> str:
            event = sample_event(journal.next_seq())
            journal.record(event)
            journal.complete(sample_event(event.seq, outcome=Outcome.CONFIRMED, event_id=event.event_id))
            publisher.wake()
            everything.append(str(event.event_id))
            return everything[-1]

        def wait(condition: Callable[[], bool]) -> None:
            with changed:
                assert changed.wait_for(condition, 0.0) or any(
                    changed.wait(0.002) or condition() for _ in range(10_000)
                ), "not in 20 s"

        for _ in range(CUTS):
            wait(lambda: publisher.connected)
            for _ in range(rng.randrange(3)):
                sort()
            with changed:
                changed.wait(rng.uniform(0.0, 0.02))  # at any byte of what is under way
            cable.cut()
            wait(lambda: not publisher.connected)
            while_away.add(sort())
            cable.plug()
        wait(lambda: publisher.connected)
        waiting = journal.depth()
        live = sort()
        watcher.wait_until(lambda seen: any(json.loads(m.payload)["event_id"] == live for m in seen), 20)
        arrived_before_live = len({json.loads(m.payload)["event_id"] for m in watcher.messages})
        watcher.wait_until(lambda seen: {json.loads(m.payload)["event_id"] for m in seen} >= set(everything), 60)
    cable.close()
    events = [json.loads(message.payload) for message in watcher.messages]
    assert {event["event_id"] for event in events} == set(everything), "nothing lost, nothing made up"
    assert len({(event["seq"], event["event_id"]) for event in events}) == len(everything), "each under one id"
    assert all(event["historical"] for event in events if event["event_id"] in while_away)
    assert [event["historical"] for event in events if event["event_id"] == live] == [False]
    assert waiting > 20, "a backlog waited"
    assert arrived_before_live < len(everything), "and the live event went before it"
