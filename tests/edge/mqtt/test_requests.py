"""Requests and responses on the wire, with real brokers."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from paho.mqtt import publish
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.clock import ManualClock
from edge.config import Mqtt
from edge.faults import Faults
from edge.journal import SteadyJournal
from edge.mqtt.client import MqttPublisher
from edge.payloads import Arguments, StatePayload, UpdatePayload, VersionsPayload, json_schemas
from edge.requests import Desk, Incoming, Registry, RequestLog
from edge.simulate.brokers import SayingNo
from tests.brokers import ALLOWED, LIMITED, PASSWORD, BrokerUnderTest, Message, Mosquitto, Watcher, free_port

BASE = "smartbin/test"


class Asked:
    """A publisher with a desk behind it, and what it was asked to do."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.clock = ManualClock()
        self.faults = Faults(self.clock)
        self.done: list[str] = []

    def start(self, port: int, **mqtt: Any) -> MqttPublisher:
        path = self._folder / "journal.sqlite"
        journal = SteadyJournal(path, max_events=100, max_in_memory=100, faults=self.faults, clock=self.clock)
        config = Mqtt(host="127.0.0.1", port=port, **mqtt)
        self._stack.enter_context(journal)
        publisher = MqttPublisher(config, "test", journal, self.faults, self.clock)
        self._stack.enter_context(publisher)
        handlers = {cmd: partial(self._do, cmd) for cmd in ("home", "pause")}
        registry = Registry(handlers, RequestLog(path, self.clock))
        desk = self._stack.enter_context(Desk(registry, self.clock, publisher.respond))
        publisher.take_requests(desk.take)
        return publisher

    def login(self, user: str) -> dict[str, Any]:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        return {"username": user, "password_file": password}

    def request(self, request_id: str, **fields: Any) -> str:
        return json.dumps({"id": request_id, "ttl_s": 30, "ts": self.clock.utc().isoformat(), **fields})

    def _do(self, cmd: str, arguments: Arguments) -> dict[str, Any]:
        self.done.append(cmd)
        return {}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def asked(tmp_path: Path, stack: ExitStack) -> Asked:
    return Asked(tmp_path, stack)


class Sender:
    """A client of MQTT 3.1.1 or 5 that asks."""

    def __init__(self, port: int, *, mqtt5: bool = False, user: str | None = None) -> None:
        version = MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=version)
        if user is not None:
            self._client.username_pw_set(user, PASSWORD)
        self._port = port

    def __enter__(self) -> Sender:
        connected = threading.Event()
        self._client.on_connect = lambda *_: connected.set()
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert connected.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, cmd: str, payload: str, *, retain: bool = False, who: str | None = None) -> None:
        properties = None
        if who is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = ("who", who)
        self._client.publish(f"{BASE}/request/{cmd}", payload, qos=1, retain=retain, properties=properties)


def answer(watcher: Watcher, request_id: str | None) -> dict[str, Any]:
    """The response to one request."""

    def found(messages: Any) -> Any:
        said = (json.loads(m.payload) for m in messages if m.topic.startswith(f"{BASE}/response/"))
        return next((response for response in said if response["id"] == request_id), None)

    response: dict[str, Any] = watcher.wait_until(found)
    return response


def heard(asked: Asked, sender: Sender, watcher: Watcher, name: str = "knock") -> None:
    """Wait until the bin does what it is asked: what was sent before it was there is lost."""

    def done(seen: list[Message]) -> bool:
        said = [json.loads(m.payload) for m in seen if m.topic == f"{BASE}/response/pause"]
        return any(response["ok"] and response["id"].startswith(name) for response in said)

    for number in range(100):
        sender.send("pause", asked.request(f"{name}-{number}"))
        with suppress(AssertionError):
            assert watcher.wait_until(done, timeout_s=0.2)
            return
        asked.clock.advance(1.0)
    raise AssertionError("the bin hears nothing")


def test_a_request_is_answered_on_every_broker_and_what_moves_is_refused_on_an_open_one(
    broker: BrokerUnderTest, asked: Asked
) -> None:
    asked.start(broker.port)
    with Watcher(broker.host, broker.port) as watcher, Sender(broker.port) as sender:
        heard(asked, sender, watcher)
        sender.send("home", asked.request("h"))
        refused = answer(watcher, "h")
        assert not refused["ok"] and "mqtt.username" in refused["error"]
        sender.send("pause", "{")
        assert "not JSON" in answer(watcher, None)["error"]
        assert "home" not in asked.done
    with Watcher(broker.host, broker.port, f"{BASE}/response/#") as late:
        publish.single(f"{BASE}/response/end", "x", qos=1, hostname=broker.host, port=broker.port)
        late.wait_for(lambda message: message.topic.endswith("/end"))
        assert len(late.messages) == 1, "no response is retained"


@pytest.mark.needs_mosquitto
def test_over_a_login_it_homes_and_the_claim_of_who_asked_is_kept(guarded_broker: Mosquitto, asked: Asked) -> None:
    asked.start(guarded_broker.port, **asked.login(ALLOWED))
    with (
        Watcher(guarded_broker.host, guarded_broker.port, user=ALLOWED) as watcher,
        Sender(guarded_broker.port, mqtt5=True, user=ALLOWED) as sender,
    ):
        heard(asked, sender, watcher)
        sender.send("home", asked.request("h"), who="night shift")
        assert answer(watcher, "h")["ok"]
        log = RequestLog(asked._folder / "journal.sqlite", asked.clock)
        assert "says it is 'night shift'" in log.newest(1)[0]["who"]


@pytest.mark.needs_mosquitto
def test_a_retained_request_is_refused_whether_it_comes_at_once_or_waited(mosquitto: Mosquitto, asked: Asked) -> None:
    with Watcher(mosquitto.host, mosquitto.port) as watcher, Sender(mosquitto.port) as sender:
        sender.send("pause", asked.request("waited"), retain=True)
        watcher.wait_for(lambda message: message.topic == f"{BASE}/request/pause")
        asked.start(mosquitto.port)
        assert "retained" in answer(watcher, "waited")["error"]
        asked.clock.advance(5.0)
        sender.send("pause", asked.request("at-once"), retain=True)
        assert "retained" in answer(watcher, "at-once")["error"]
        assert asked.done == []


@pytest.mark.needs_mosquitto
def test_a_bin_that_may_not_read_its_requests_hears_none(guarded_broker: Mosquitto, asked: Asked) -> None:
    """Mosquitto takes the subscription all the same, and passes nothing on."""
    publisher = asked.start(guarded_broker.port, **asked.login(LIMITED))
    taken: list[Incoming] = []
    publisher.take_requests(taken.append)
    with (
        Watcher(guarded_broker.host, guarded_broker.port, user=ALLOWED) as watcher,
        Sender(guarded_broker.port, user=ALLOWED) as sender,
    ):
        guarded_broker.wait_for_log(f"{BASE}/request/+ (QoS 1)", "the bin to subscribe")
        sender.send("pause", asked.request("p"))
        watcher.wait_for(lambda message: message.topic == f"{BASE}/request/pause")
        for phase in ("looking", "sorting"):  # when these have come, so would the request before them
            versions = VersionsPayload(program="0.1.0", model="1.0.0")
            publisher.set_state(StatePayload(phase=phase, mode="auto", faults=[], versions=versions, engine="e"))
            watcher.wait_for(lambda message, phase=phase: phase.encode() in message.payload)  # type: ignore[misc]
        assert taken == [] and asked.done == []


def test_how_an_update_goes_is_retained(broker: BrokerUnderTest, asked: Asked) -> None:
    publisher = asked.start(broker.port)
    under_way = UpdatePayload(
        installed_version="1.0.0", latest_version="1.1.0", in_progress=True, update_percentage=78, step="shadow"
    )
    failed = UpdatePayload(installed_version="1.0.0", latest_version="1.0.0", in_progress=False, error="no room")
    with Watcher(broker.host, broker.port) as watcher:
        for update in (under_way, failed):
            publisher.set_update(update)
            watcher.wait_for_payload(f"{BASE}/update", update.to_json())
            jsonschema.validate(json.loads(update.to_json()), json_schemas()["update"])
    with Watcher(broker.host, broker.port) as late:
        late.wait_for_payload(f"{BASE}/update", failed.to_json())
        assert all(message.retained for message in late.messages)


def test_a_broker_that_refuses_the_subscription_is_a_fault(asked: Asked) -> None:
    port = free_port()
    with SayingNo(port, accepts=True):
        publisher = asked.start(port)
        for _ in range(200):
            publisher.wake()
            if any(fault.code == "requests_refused" for fault in asked.faults.standing()):
                break
            threading.Event().wait(0.05)
        fault = next(fault for fault in asked.faults.standing() if fault.code == "requests_refused")
        assert "smartbin/test/request/+" in fault.message and "Not authorized" in fault.message


def _string(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def _packet(kind: int, body: bytes) -> bytes:
    length, digits = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + digits + body


def _hostile_packets(number: int, asked: Asked) -> Iterator[bytes]:
    """PUBLISHes to the bin's requests that a broker hands on, as a client of 3.1.1 may send them."""
    luck = random.Random(7)
    for n in range(number):
        cmd = luck.choice([b"home", b"home", b"jog", b"format", b"a" * 300])
        payload = luck.choice([luck.randbytes(40), b"{" * 900, b"x" * 70_000, b'{"id": 1}', b"", b"valid"])
        if payload == b"valid":
            payload = asked.request(f"f{n}").encode()
        head = luck.choice([0x30, 0x32, 0x33, 0x3A])
        identifier = b"" if head == 0x30 else struct.pack(">H", n + 1)
        yield _packet(head, _string(f"{BASE}/request/".encode() + cmd) + identifier + payload)


def _broken_packets(luck: random.Random) -> Iterator[bytes]:
    """After each of these a broker may hang up."""
    whole = _packet(0x32, _string(f"{BASE}/request/home".encode()) + b"\x00\x01" + b"{" * 200)
    for topic in (b"\xff\xfe", b"../..", b"#", b"\x00"):
        yield _packet(0x30, _string(f"{BASE}/request/".encode() + topic) + b"{}")
    yield from (whole[: luck.randrange(1, len(whole))] + luck.randbytes(9) for _ in range(8))
    yield from (bytes([0x36]) + whole[1:], b"\x32\xff\xff\xff\xff\x7f", luck.randbytes(300), b"\xc0\x00")


def test_raw_hostile_packets_move_nothing_and_the_bin_answers_afterwards(broker: BrokerUnderTest, asked: Asked) -> None:
    asked.start(broker.port)
    with Watcher(broker.host, broker.port, f"{BASE}/response/#") as watcher, Sender(broker.port) as sender:
        heard(asked, sender, watcher)
        connect = _packet(0x10, _string(b"MQTT") + b"\x04\x02\x00\x3c" + _string(b"hostile"))
        packets = _hostile_packets(400, asked)
        for number, broken in enumerate(_broken_packets(random.Random(7))):
            with socket.create_connection((broker.host, broker.port), timeout=10) as link, suppress(ConnectionError):
                link.sendall(connect)
                assert link.recv(4) == b"\x20\x02\x00\x00", "connected"
                for packet in islice(packets, 25):
                    link.sendall(packet)
                link.sendall(broken)
                link.shutdown(socket.SHUT_WR)
                while link.recv(4096):  # until the broker hangs up: it has read all
                    pass
            heard(asked, sender, watcher, f"after-{number}-")
            asked.clock.advance(10.0)
        assert next(packets, None) is None, "all were sent"
        assert "home" not in asked.done
        answers = [json.loads(message.payload) for message in watcher.messages if message.topic.endswith("/home")]
        assert not any(response["ok"] for response in answers)
        reasons = " ".join(response["error"] for response in answers)
        for reason in ("not JSON", "Field required", "mqtt.username"):
            assert reason in reasons, "they came as far as the bin"
