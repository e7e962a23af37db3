"""The publisher against real brokers: what it says, in which order, and what becomes of it when they are away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema  # type: ignore[import-untyped]
import pytest
from paho.mqtt import publish

from edge.clock import ManualClock, SystemClock
from edge.config import Mqtt
from edge.domain import Outcome, SortEvent
from edge.errors import BrokerError, ConfigError
from edge.faults import Fault, Faults
from edge.journal import Journal, SteadyJournal
from edge.journal.steady import RETRY_S
from edge.mqtt import connection as connection_module
from edge.mqtt.announcer import Announcer
from edge.mqtt.catalogue import channel_of
from edge.mqtt.client import MqttPublisher, probe
from edge.mqtt.session import Session, Word
from edge.mqtt.topics import Topics
from edge.payloads import FaultPayload, StatePayload, TelemetryPayload, VersionsPayload
from edge.sim.disk_faults import DiskFaults
from edge.simulate.brokers import SayingNo
from tests.brokers import (
    ALLOWED,
    LIMITED,
    PASSWORD,
    BrokerUnderTest,
    Message,
    Mosquitto,
    ScriptedBroker,
    Watcher,
    free_port,
    sample_event,
)

BASE = "smartbin/test"
CLASSIFICATION, LAST = f"{BASE}/classification", f"{BASE}/classification/last"
JAM = f"{BASE}/alert/jam"
AVAILABILITY, STATE, TELEMETRY = f"{BASE}/availability", f"{BASE}/state", f"{BASE}/telemetry"
IMAGE = f"{BASE}/image/last"
CONNACK_YES = bytes([0x20, 2, 0, 0])


class LoudFaults(Faults):
    """Faults that a test can wait for."""

    def __init__(self, clock: ManualClock, changed: threading.Condition) -> None:
        super().__init__(clock)
        self._changed = changed

    def report(self, code: str, message: str, remedy: str) -> None:
        super().report(code, message, remedy)
        with self._changed:
            self._changed.notify_all()

    def clear(self, code: str) -> None:
        super().clear(code)
        with self._changed:
            self._changed.notify_all()


class Bin:
    """A journal and a publisher, as the daemon has them. Time stands still until `clock.advance`, so nothing is
    tried again, and no backlog goes, unless the test says so."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.disk = DiskFaults(self.clock)
        self._faults_changed = threading.Condition()
        self.faults = LoudFaults(self.clock, self._faults_changed)
        self._stack = stack

    def start(self, port: int, announcer: Announcer | None = None, **mqtt: Any) -> MqttPublisher:
        self.journal = self._stack.enter_context(
            SteadyJournal(
                self.folder / "journal.db",
                max_events=1000,
                max_in_memory=1000,
                faults=self.faults,
                clock=self.clock,
                store=self.disk.journal,
            )
        )
        config = Mqtt(host="127.0.0.1", port=port, **{"replay_per_s": 1000.0, **mqtt})
        self.publisher = MqttPublisher(
            config,
            "test",
            self.journal,
            self.faults,
            self.clock,
            compartments=("glass", "paper"),
            announcer=announcer,
        )
        return self._stack.enter_context(self.publisher)

    def sort(self, compartment: str = "glass", outcome: Outcome = Outcome.CONFIRMED) -> SortEvent:
        """One item, from the decision to the word to the publisher."""
        event = sample_event(self.journal.next_seq(), compartment)
        self.journal.record(event)
        done = sample_event(event.seq, compartment, outcome, event.event_id)
        self.journal.complete(done)
        self.publisher.wake()
        return done

    def advance_until(self, done: Callable[[], object], step_s: float = 1.0) -> None:
        """Let time pass until `done`, in steps long enough for the threads to see each."""
        for _ in range(600):
            if done():
                return
            self.clock.advance(step_s)
            self.publisher.wake()
            with self._faults_changed:
                self._faults_changed.wait(0.05)
        raise AssertionError(f"not done; the faults are {self.faults.standing()}")

    def drained(self) -> None:
        """Let time pass until the broker has everything."""
        self.advance_until(lambda: self.publisher.drain(0.05) == 0)

    def fault(self, code: str) -> Fault:
        """Wait until this fault stands."""
        with self._faults_changed:
            assert self._faults_changed.wait_for(lambda: self._find(code), 15), f"no {code}: {self.faults.standing()}"
        found = self._find(code)
        assert found is not None
        return found

    def no_fault(self) -> None:
        """Wait until nothing is wrong."""
        with self._faults_changed:
            assert self._faults_changed.wait_for(lambda: not self.faults.standing(), 15), self.faults.standing()

    def until(self, done: Callable[[], object]) -> None:
        """Wait until `done`, without letting the bin's time pass."""
        for _ in range(300):
            if done():
                return
            threading.Event().wait(0.05)
        raise AssertionError(f"not done; the faults are {self.faults.standing()}")

    def connected(self) -> None:
        """Wait until the broker has accepted the bin."""
        self.advance_until(lambda: self.publisher.connected)

    def _find(self, code: str) -> Fault | None:
        return next((fault for fault in self.faults.standing() if fault.code == code), None)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def bin_(tmp_path: Path, stack: ExitStack) -> Bin:
    return Bin(tmp_path, stack)


@pytest.fixture
def watcher(broker: BrokerUnderTest) -> Iterator[Watcher]:
    with Watcher(broker.host, broker.port) as watching:
        yield watching


def events_on(topic: str, messages: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in messages if message.topic == topic]


def ids_on(topic: str, messages: list[Message]) -> list[UUID]:
    return [UUID(event["event_id"]) for event in events_on(topic, messages)]


def has_events(count: int, topic: str = CLASSIFICATION) -> Callable[[list[Message]], list[dict[str, Any]]]:
    """For `wait_until`: as soon as there are `count` different events on the topic, these events."""

    def found(messages: list[Message]) -> list[dict[str, Any]]:
        return events_on(topic, messages) if len(set(ids_on(topic, messages))) >= count else []

    return found


def state(phase: str = "waiting", *faults: FaultPayload) -> StatePayload:
    return StatePayload(
        phase=phase,
        mode="auto",
        faults=list(faults),
        versions=VersionsPayload(program="0.1.0", model="1.0.0"),
        engine="onnxruntime-int8",
    )


def telemetry(uptime_s: float) -> TelemetryPayload:
    return TelemetryPayload(
        ts=ManualClock().utc(), uptime_s=uptime_s, fps=15.0, fault_count=0, outbox_depth=0, infer_p50_ms=17.9
    )


# A broker that works.


def test_events_arrive_and_are_acknowledged(broker: BrokerUnderTest, bin_: Bin, watcher: Watcher) -> None:
    bin_.start(broker.port)
    bin_.connected()
    sorted_items = [bin_.sort(outcome=outcome) for outcome in (Outcome.CONFIRMED, Outcome.JAMMED, Outcome.CONFIRMED)]
    arrived = watcher.wait_until(has_events(3))
    assert [event["event_id"] for event in arrived] == [str(event.event_id) for event in sorted_items]
    assert [event["historical"] for event in arrived] == [False] * 3
    assert bin_.publisher.drain(10) == 0
    assert bin_.faults.standing() == ()


def test_last_classification_counts_and_purity_are_retained_for_later_subscribers(
    broker: BrokerUnderTest, bin_: Bin
) -> None:
    bin_.start(broker.port)
    bin_.connected()
    bin_.sort("paper", Outcome.JAMMED)
    newest = bin_.sort("glass")
    assert bin_.publisher.drain(10) == 0
    with Watcher(broker.host, broker.port) as late:
        late.wait_for_payload(f"{BASE}/compartment/glass/count", "1")
        late.wait_for_payload(f"{BASE}/compartment/glass/purity", "94.0")
        late.wait_for_payload(f"{BASE}/compartment/paper/count", "0")
        late.wait_for_payload(AVAILABILITY, "online")
        (last,) = late.wait_until(has_events(1, LAST))
        assert last["event_id"] == str(newest.event_id) and last["historical"] is False
        assert all(message.retained for message in late.messages)
        assert late.payloads(CLASSIFICATION) == []


def test_state_is_retained_and_sent_only_when_it_changes(broker: BrokerUnderTest, bin_: Bin, watcher: Watcher) -> None:
    publisher = bin_.start(broker.port)
    bin_.connected()
    for phase in ("waiting", "waiting", "sorting", "sorting", "waiting"):
        publisher.set_state(state(phase))
        watcher.wait_for_payload(STATE, state(phase).to_json())
    assert [json.loads(payload)["phase"] for payload in watcher.payloads(STATE)] == ["waiting", "sorting", "waiting"]
    with Watcher(broker.host, broker.port) as late:
        late.wait_for_payload(STATE, state("waiting").to_json())


def test_each_fault_that_stands_is_a_retained_alert_until_it_is_over(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    jam = FaultPayload(code="jam", since=bin_.clock.utc(), message="an item lies on the flap", remedy="take it off")
    publisher = bin_.start(broker.port)
    publisher.set_state(state("blocked", jam))
    alert = json.loads(watcher.wait_for(lambda message: message.topic == JAM and message.payload != b"").payload)
    assert alert == {"since": "2026-01-01T00:00:00Z", "message": jam.message, "remedy": jam.remedy}
    with Watcher(broker.host, broker.port, f"{BASE}/alert/#") as late:
        late.wait_for(lambda message: message.topic == JAM)
        assert [message.topic for message in late.messages if message.retained] == [JAM], "and no other fault stands"
    publisher.set_state(state("waiting"))
    watcher.wait_until(lambda seen: [m.payload for m in seen if m.topic == JAM][1:] == [b""])


def test_an_alert_that_an_earlier_run_left_is_cleared(broker: BrokerUnderTest, tmp_path: Path) -> None:
    stale = FaultPayload(
        code="jam", since=ManualClock().utc(), message="an item lies on the flap", remedy="take it off"
    )
    for folder, faults in (("first", [stale]), ("second", [])):
        with ExitStack() as stack, Watcher(broker.host, broker.port, JAM) as watcher:
            Bin(tmp_path / folder, stack).start(broker.port).set_state(state("waiting", *faults))
            watcher.wait_for(lambda message, wanted=bool(faults): bool(message.payload) == wanted)  # type: ignore[misc]
    with Watcher(broker.host, broker.port) as late:
        late.wait_for(lambda message: message.topic == AVAILABILITY)
        late.wait_for(lambda message: message.topic == STATE)
        assert late.payloads(JAM) == []


def test_telemetry_is_sent_once_while_connected_and_never_later(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    publisher = bin_.start(broker.port)
    bin_.connected()
    publisher.tell(telemetry(1))
    watcher.wait_for_payload(TELEMETRY, telemetry(1).to_json())
    broker.stop()
    bin_.fault("broker_unreachable")
    publisher.tell(telemetry(2))
    broker.restart()
    watcher.wait_subscribed(2)
    bin_.connected()
    publisher.tell(telemetry(3))
    bin_.sort()
    watcher.wait_for_payload(TELEMETRY, telemetry(3).to_json())
    assert publisher.drain(10) == 0
    assert [json.loads(payload)["uptime_s"] for payload in watcher.payloads(TELEMETRY)] == [1, 3]
    with Watcher(broker.host, broker.port) as late:
        late.wait_for(lambda message: message.topic == LAST)
        assert late.payloads(TELEMETRY) == []


def test_the_newest_picture_is_retained_sent_again_on_every_connection_and_never_an_old_one(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    publisher = bin_.start(broker.port, publish_image=True)
    bin_.connected()
    publisher.set_image(b"\xff\xd8 one \xff\xd9")
    watcher.wait_for(lambda message: message == Message(IMAGE, b"\xff\xd8 one \xff\xd9", False))
    broker.stop()
    bin_.fault("broker_unreachable")
    publisher.set_image(b"\xff\xd8 two \xff\xd9")
    publisher.set_image(b"\xff\xd8 three \xff\xd9")
    broker.restart()
    watcher.wait_subscribed(2)
    bin_.connected()
    watcher.wait_for(lambda message: message.topic == IMAGE and message.payload == b"\xff\xd8 three \xff\xd9")
    with Watcher(broker.host, broker.port, IMAGE) as late:
        assert late.wait_for(lambda message: message.retained).payload == b"\xff\xd8 three \xff\xd9"
    assert not any(b"two" in message.payload for message in watcher.messages)


def test_where_pictures_are_off_the_one_that_the_broker_kept_is_taken_back(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    publish.single(IMAGE, b"a person's hand", qos=1, retain=True, hostname=broker.host, port=broker.port)
    bin_.start(broker.port)
    watcher.wait_for(lambda message: message.topic == IMAGE and message.payload == b"")
    bin_.connected()
    with Watcher(broker.host, broker.port) as late:
        late.wait_for(lambda message: message.topic == AVAILABILITY and message.retained)
        assert IMAGE not in {message.topic for message in late.messages}


def test_every_payload_obeys_its_schema(broker: BrokerUnderTest, bin_: Bin, watcher: Watcher) -> None:
    publisher = bin_.start(broker.port)
    bin_.connected()
    fault = FaultPayload(code="jam", since=bin_.clock.utc(), message="an item lies on the flap", remedy="take it off")
    publisher.set_state(state("blocked", fault))
    publisher.tell(telemetry(1))
    for outcome in (Outcome.CONFIRMED, Outcome.STALLED, Outcome.REFUSED):
        bin_.sort(outcome=outcome)
    watcher.wait_until(has_events(3))
    watcher.wait_until(has_events(3, LAST))
    watcher.wait_for_payload(STATE, state("blocked", fault).to_json())
    watcher.wait_until(lambda seen: {JAM, TELEMETRY} <= {message.topic for message in seen})
    for message in watcher.messages:
        channel, text = channel_of(message.topic.removeprefix(f"{BASE}/")), message.payload.decode()
        if channel.path in ("alert/<code>", "image/last") and text == "":
            continue  # a fault that does not stand; pictures that nobody asked for
        value = text if channel.path == "availability" else json.loads(text)
        schema = channel.payload.model_json_schema()
        jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())


def test_what_is_retained_is_what_the_catalogue_says(broker: BrokerUnderTest, bin_: Bin, watcher: Watcher) -> None:
    publisher = bin_.start(broker.port)
    publisher.set_state(state("waiting"))
    publisher.set_fill("glass", 40)
    bin_.connected()
    bin_.sort()
    assert bin_.publisher.drain(10) == 0
    watcher.wait_for_payload(f"{BASE}/compartment/glass/purity", "94.0")
    watcher.wait_until(has_events(1, LAST))  # the last that is sent of an item
    said = {message.topic for message in watcher.messages if message.payload}
    with Watcher(broker.host, broker.port) as late:
        retained = {topic for topic in said if channel_of(topic.removeprefix(f"{BASE}/")).retained}
        late.wait_until(lambda seen: {message.topic for message in seen} >= retained)
        assert {message.topic for message in late.messages if message.retained} == retained


def test_entities_are_announced_after_the_state_and_taken_back_when_they_are_gone(
    broker: BrokerUnderTest, bin_: Bin, tmp_path: Path, stack: ExitStack
) -> None:
    kept, old, new = (
        tmp_path / "discovery.json",
        "homeassistant/sensor/test/old/config",
        "homeassistant/x/test/new/config",
    )
    Announcer({old: "{}"}, kept).to_publish()
    with Watcher(broker.host, broker.port, "#") as watcher:
        publisher = bin_.start(broker.port, Announcer({new: "{}"}, kept))
        bin_.connected()
        publisher.set_state(state("waiting"))
        watcher.wait_for_payload(new, "{}")
        order = [message.topic for message in watcher.messages]
        assert order.index(STATE) < order.index(old) < order.index(new)
        assert watcher.payloads(old) == [""]
        publisher.__exit__()
    assert Announcer({}, kept).to_publish() == {new: ""}, "what was taken back is forgotten"
    with Watcher(broker.host, broker.port, "homeassistant/#") as late:
        assert late.wait_for(lambda message: message.retained).topic == new


def test_when_home_assistant_has_started_it_is_told_again_and_not_as_often_as_somebody_says_so(
    broker: BrokerUnderTest, bin_: Bin, tmp_path: Path
) -> None:
    births, topic = "homeassistant/status", "homeassistant/x/test/new/config"
    with Watcher(broker.host, broker.port, "#") as watcher:
        publisher = bin_.start(broker.port, Announcer({topic: "{}"}, tmp_path / "discovery.json", births))
        bin_.connected()
        publisher.set_state(state("waiting"))
        watcher.wait_for_payload(topic, "{}")
        for said in ("offline", "online", "online", "online"):
            publish.single(births, said, qos=1, hostname=broker.host, port=broker.port)
        bin_.clock.advance(6.0)
        publisher.wake()
        watcher.wait_until(lambda seen: sum(message.topic == topic for message in seen) > 1)
        publisher.set_state(state("sorting"))
        watcher.wait_for_payload(STATE, state("sorting").to_json())
        assert watcher.payloads(topic) == ["{}", "{}"]


def test_a_broker_that_keeps_the_birth_of_home_assistant_from_the_bin_is_no_fault(
    bin_: Bin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with SayingNo(port, accepts=True):
        bin_.start(port, Announcer({}, tmp_path / "discovery.json"))
        bin_.connected()
        bin_.fault("publish_refused")
        bin_.advance_until(lambda: "does not let the bin hear homeassistant/status" in caplog.text)
        assert [fault.code for fault in bin_.faults.standing()] == ["publish_refused"]


def test_clean_exit_publishes_what_is_new_and_then_offline(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher, stack: ExitStack
) -> None:
    publisher = bin_.start(broker.port)
    bin_.connected()
    publisher.set_state(state("stopped"))
    event = bin_.sort()
    publisher.__exit__()
    watcher.wait_for_payload(AVAILABILITY, "offline")
    assert not publisher.connected
    assert ids_on(CLASSIFICATION, watcher.messages) == [event.event_id]
    assert bin_.journal.depth() == 0
    assert watcher.payloads(AVAILABILITY)[-2:] == ["online", "offline"]
    watcher.wait_for_payload(STATE, state("stopped").to_json())
    publisher.__exit__()  # twice is harmless


@pytest.mark.needs_mosquitto
def test_mosquitto_is_spoken_to_in_mqtt_5(mosquitto: Mosquitto, bin_: Bin) -> None:
    bin_.start(mosquitto.port)
    assert "(p5," in mosquitto.wait_for_log("as smartbin-test", "the bin's connection")


# A broker that is away for a while.


def test_events_of_an_outage_arrive_later_as_historical_and_leave_last_alone(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    publisher = bin_.start(broker.port)
    bin_.connected()
    before = bin_.sort()
    watcher.wait_until(has_events(1, LAST))
    assert publisher.drain(10) == 0
    broker.stop()
    fault = bin_.fault("broker_unreachable")
    assert str(broker.port) in fault.message and "kept" in fault.remedy
    publisher.set_state(state("sorting"))
    during = [bin_.sort("paper") for _ in range(3)]
    assert not publisher.connected and bin_.journal.depth() == 3
    broker.restart()
    watcher.wait_subscribed(2)
    bin_.drained()
    bin_.no_fault()
    arrived = watcher.wait_until(has_events(4))
    assert [event["event_id"] for event in arrived] == [str(event.event_id) for event in (before, *during)]
    assert [event["historical"] for event in arrived] == [False, True, True, True]
    assert [event["actuation"]["outcome"] for event in arrived] == ["CONFIRMED"] * 4
    watcher.wait_for_payload(STATE, state("sorting").to_json())
    watcher.wait_for_payload(f"{BASE}/compartment/paper/count", "3")
    after = bin_.sort()
    watcher.wait_until(lambda seen: after.event_id in ids_on(LAST, seen))
    assert set(ids_on(LAST, watcher.messages)) == {before.event_id, after.event_id}


def test_live_events_go_before_the_backlog_and_the_backlog_is_paced(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    with Journal(bin_.folder / "journal.db", max_events=1000) as earlier_run:
        for seq in range(1, 5):
            earlier_run.record(sample_event(seq))
        backlog_ids = [event.event_id for event in reversed(earlier_run.newest(4))]
    bin_.start(broker.port, replay_per_s=0.5)
    bin_.connected()
    first = bin_.sort()  # on its way when nothing but the first of the backlog may have gone
    watcher.wait_until(lambda seen: first.event_id in ids_on(CLASSIFICATION, seen))
    for sent in range(1, 5):
        live = bin_.sort()
        watcher.wait_until(lambda seen, live=live: live.event_id in ids_on(CLASSIFICATION, seen))  # type: ignore[misc]
        arrived = [event_id for event_id in ids_on(CLASSIFICATION, watcher.messages) if event_id in backlog_ids]
        assert arrived == backlog_ids[:sent], "two seconds, one event of the backlog"
        bin_.clock.advance(2.0)
        bin_.publisher.wake()
        if sent < 4:
            watcher.wait_until(lambda seen, sent=sent: backlog_ids[sent] in ids_on(CLASSIFICATION, seen))  # type: ignore[misc]
    historical = {event["event_id"]: event["historical"] for event in events_on(CLASSIFICATION, watcher.messages)}
    assert all(historical[str(event_id)] is (event_id in backlog_ids) for event_id in map(UUID, historical))
    interrupted = [e for e in events_on(CLASSIFICATION, watcher.messages) if UUID(e["event_id"]) in backlog_ids]
    assert {event["actuation"]["outcome"] for event in interrupted} == {"INTERRUPTED"}


class Wire:
    """In the place of a connection: notes what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str]] = []

    def publish(self, topic: str, payload: str, *, retain: bool, qos: int = 1) -> int:
        self.published.append((topic, payload))
        return len(self.published)


def test_an_event_that_is_live_overtakes_those_that_wait(tmp_path: Path) -> None:
    clock, wire = ManualClock(), Wire()
    with Journal(tmp_path / "journal.db", max_events=10) as journal:

        def sorted_item(seq: int) -> UUID:
            event = sample_event(seq)
            journal.record(event)
            journal.complete(sample_event(seq, event_id=event.event_id, outcome=Outcome.CONFIRMED))
            return event.event_id

        waits = sorted_item(1)
        session = Session(wire, Mqtt(), Topics("test"), journal, Faults(clock), clock, Word(), ())  # type: ignore[arg-type]
        session.begin()
        live = sorted_item(2)
        session.speak()
    events = [json.loads(payload) for topic, payload in wire.published if topic == CLASSIFICATION]
    assert [(UUID(event["event_id"]), event["historical"]) for event in events] == [(live, False), (waits, True)]


def test_broker_that_comes_up_late_is_found(broker: BrokerUnderTest, bin_: Bin) -> None:
    broker.stop()
    bin_.start(broker.port)
    assert "Connection refused" in bin_.fault("broker_unreachable").message
    event = bin_.sort()
    broker.restart()
    with Watcher(broker.host, broker.port) as watching:
        bin_.drained()
        bin_.no_fault()
        (arrived,) = watching.wait_until(has_events(1))
        assert (arrived["event_id"], arrived["historical"]) == (str(event.event_id), True)


def test_flapping_connection_loses_nothing_and_changes_no_id(broker: BrokerUnderTest, bin_: Bin) -> None:
    """The broker falls over again and again while items are sorted and sent."""
    bin_.start(broker.port)
    sorted_ids = set()
    arrived: set[UUID] = set()
    for _ in range(4):
        with Watcher(broker.host, broker.port) as watching:
            bin_.connected()
            sorted_ids |= {bin_.sort().event_id for _ in range(15)}
            watching.wait_until(lambda seen: len(ids_on(CLASSIFICATION, seen)) >= 3)
            broker.stop()
            bin_.fault("broker_unreachable")
            sorted_ids |= {bin_.sort().event_id for _ in range(3)}
            arrived |= set(ids_on(CLASSIFICATION, watching.messages))
        broker.restart()
    acknowledged = sorted_ids - {event.event_id for event in bin_.journal.outbox(1000, live=False)}
    with Watcher(broker.host, broker.port) as watching:
        bin_.drained()
        watching.wait_until(lambda seen: (set(ids_on(CLASSIFICATION, seen)) | acknowledged) >= sorted_ids)
        arrived |= set(ids_on(CLASSIFICATION, watching.messages))
    assert arrived <= sorted_ids
    assert bin_.journal.counts() == {"glass": len(sorted_ids)}


# A bin that dies.

DAEMON = """
import sys
from pathlib import Path
from edge.clock import SystemClock
from edge.config import Mqtt
from edge.domain import Outcome
from edge.faults import Faults
from edge.journal import Journal, SteadyJournal
from edge.journal.steady import RETRY_S
from edge.mqtt.client import MqttPublisher, probe
from tests.brokers import sample_event

clock = SystemClock()
config = Mqtt(port=int(sys.argv[2]), keepalive_s=5)
with Journal(Path(sys.argv[1]), max_events=1000) as journal, MqttPublisher(
    config, "test", journal, Faults(clock), clock
) as publisher:
    journal.recover()
    for _ in sys.stdin:
        event = sample_event(journal.next_seq())
        journal.record(event)
        print(event.event_id, flush=True)
        journal.complete(sample_event(event.seq, outcome=Outcome.CONFIRMED, event_id=event.event_id))
        publisher.wake()
"""


def test_kill_9_turns_the_bin_offline_and_every_event_still_arrives(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    command = [sys.executable, "-c", DAEMON, str(bin_.folder / "journal.db"), str(broker.port)]
    daemon = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert daemon.stdin is not None and daemon.stdout is not None
    watcher.wait_for_payload(AVAILABILITY, "online")
    daemon.stdin.write("sort\n" * 50)
    daemon.stdin.flush()
    announced = {UUID(daemon.stdout.readline().strip()) for _ in range(20)}
    daemon.send_signal(signal.SIGKILL)
    announced |= {UUID(line.strip()) for line in daemon.stdout.readlines() if line.endswith("\n")}
    daemon.wait()
    daemon.stdin.close()
    daemon.stdout.close()
    watcher.wait_for_payload(AVAILABILITY, "offline")
    bin_.start(broker.port)
    bin_.drained()
    watcher.wait_until(lambda seen: set(ids_on(CLASSIFICATION, seen)) >= announced)
    watcher.wait_for_payload(AVAILABILITY, "online")


# A broker that says no, or nothing.


@pytest.mark.needs_mosquitto
def test_refused_connect_is_a_fault_with_the_reason_and_never_connected(
    guarded_broker: Mosquitto, bin_: Bin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "password"
    password.write_text("wrong\n")
    connections: list[bool] = []
    monkeypatch.setattr(MqttPublisher, "_set_connected", lambda _, connected: connections.append(connected))
    publisher = bin_.start(guarded_broker.port, username=ALLOWED, password_file=password)
    fault = bin_.fault("broker_refused")
    assert "Not authorized" in fault.message and "password_file" in fault.remedy
    bin_.sort()
    bin_.advance_until(lambda: sum("not authorised" in line for line in guarded_broker.log) >= 3)
    assert connections and not any(connections)
    assert [fault.code for fault in bin_.faults.standing()] == ["broker_refused"]
    assert publisher.drain(0.1) == 1


@pytest.mark.needs_mosquitto
def test_right_password_is_accepted(guarded_broker: Mosquitto, bin_: Bin, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\nonly the first line counts\n")
    with Watcher(guarded_broker.host, guarded_broker.port, user=ALLOWED) as watching:
        bin_.start(guarded_broker.port, username=ALLOWED, password_file=password)
        watching.wait_for_payload(AVAILABILITY, "online")


@pytest.mark.needs_mosquitto
def test_refused_event_stays_in_the_outbox_and_is_a_fault(guarded_broker: Mosquitto, bin_: Bin, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    publisher = bin_.start(guarded_broker.port, username=LIMITED, password_file=password)
    bin_.connected()
    bin_.sort()
    fault = bin_.fault("publish_refused")
    assert "Not authorized" in fault.message and f"write to {BASE}/#" in fault.remedy
    assert publisher.connected and publisher.drain(0.1) == 1


@pytest.mark.parametrize(
    "answer_to_5",
    [bytes([0x20, 2, 0, 1]), bytes([0x20, 3, 0, 0x84, 0]), None],
    ids=["refused as in 3.1.1", "refused as in 5", "hung up"],
)
def test_broker_without_mqtt_5_is_spoken_to_in_3_1_1_at_once(bin_: Bin, answer_to_5: bytes | None) -> None:
    with ScriptedBroker(lambda level: answer_to_5 if level == 5 else CONNACK_YES) as old:
        publisher = bin_.start(old.port)
        bin_.until(lambda: publisher.connected)  # its clock stands: a pause would never end
        assert old.levels == [5, 4]
        assert bin_.faults.standing() == ()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["silence", "a web server"])
def test_something_that_is_no_broker_is_given_up(bin_: Bin, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_CONNACK_TIMEOUT_S", 0.2)
    with ScriptedBroker(lambda level: answer) as stranger:
        publisher = bin_.start(stranger.port)
        assert "does not answer as an MQTT broker" in bin_.fault("broker_unreachable").message
        assert stranger.levels[:2] == [5, 4]
        assert not publisher.connected


def test_broker_that_never_acknowledges_is_taken_for_dead(bin_: Bin) -> None:
    with ScriptedBroker(lambda level: CONNACK_YES if level == 4 else None) as deaf:
        publisher = bin_.start(deaf.port)
        bin_.connected()
        deaf.wait_until_heard(str(bin_.sort().event_id).encode())
        bin_.clock.advance(Session.answer_timeout_s + 1)
        publisher.wake()
        assert "has not acknowledged a message" in bin_.fault("broker_unreachable").message
        deaf.wait_until_hung_up()
        assert bin_.journal.depth() == 1
        publisher.__exit__()  # does not wait for the acknowledgement for ever


def test_nobody_there_is_unreachable_and_leaving_is_quick(bin_: Bin) -> None:
    publisher = bin_.start(free_port())
    bin_.fault("broker_unreachable")
    assert publisher.drain(0.01) == 0
    publisher.__exit__()
    assert not publisher.connected


# Asking before anything runs.


def test_probe_finds_a_broker_and_leaves_nothing_behind(broker: BrokerUnderTest, watcher: Watcher) -> None:
    probe(Mqtt(port=broker.port))
    publish.single(f"{BASE}/end", "x", qos=1, hostname=broker.host, port=broker.port)
    watcher.wait_for(lambda message: message.topic == f"{BASE}/end")
    assert len(watcher.messages) == 1, "no last will either"


def test_probe_says_that_nobody_is_there() -> None:
    with pytest.raises(BrokerError, match=r"cannot reach a broker at 127\.0\.0\.1:"):
        probe(Mqtt(port=free_port()))


@pytest.mark.needs_mosquitto
def test_probe_says_why_it_is_refused(guarded_broker: Mosquitto) -> None:
    with pytest.raises(BrokerError, match="refused the connection: Not authorized"):
        probe(Mqtt(port=guarded_broker.port))


# Trouble of its own.


def test_missing_or_empty_password_file_is_named(bin_: Bin, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mqtt.password_file: .*nowhere: No such file.*first line"):
        bin_.start(1, username="bin", password_file=tmp_path / "nowhere")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="first line is empty"):
        bin_.start(1, username="bin", password_file=tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"set mqtt\.username"):
        bin_.start(1, password_file=tmp_path / "empty")


def test_events_are_published_live_while_the_disk_takes_nothing(
    broker: BrokerUnderTest, bin_: Bin, watcher: Watcher
) -> None:
    bin_.start(broker.port)
    bin_.connected()
    bin_.disk.fault = "full"
    event = bin_.sort()
    assert "disk is full" in bin_.fault("journal_failed").message
    arrived = watcher.wait_until(lambda seen: events_on(CLASSIFICATION, seen))
    assert [(e["event_id"], e["historical"]) for e in arrived] == [(str(event.event_id), False)]
    bin_.drained()
    bin_.disk.fault = None
    bin_.clock.advance(RETRY_S)
    bin_.journal.tend()
    bin_.no_fault()
    with Journal(bin_.folder / "journal.db", max_events=1000) as journal:
        assert [kept.event_id for kept in journal.newest(9)] == [event.event_id]
        assert journal.depth() == 0


def test_bug_in_the_mqtt_thread_is_not_silent(
    broker: BrokerUnderTest, bin_: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = bin_.start(broker.port)
    bin_.connected()

    monkeypatch.setattr(bin_.journal, "outbox", lambda *_, **__: 1 / 0)
    with pytest.raises(RuntimeError, match="mqtt thread has died"):
        bin_.sort()
        publisher.drain(10)
    assert not publisher.connected


def test_nothing_is_sent_before_the_with_block(tmp_path: Path) -> None:
    clock = SystemClock()
    publisher = MqttPublisher(Mqtt(), "test", Journal(tmp_path / "j.db", max_events=10), Faults(clock), clock)
    publisher.wake()
    publisher.set_state(state())
    assert not publisher.connected
    publisher.__exit__()
