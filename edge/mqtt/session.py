"""What is said on one connection, from the broker's yes to the end. For the mqtt thread (see edge/mqtt/client.py)."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from edge.config import Mqtt
from edge.domain import Clock
from edge.fault_table import BY_CODE
from edge.faults import Faults
from edge.journal import EventJournal
from edge.mqtt.announcer import Announcer
from edge.mqtt.connection import Ack, Connection, LostError, Received
from edge.mqtt.topics import OFFLINE, ONLINE, Topics
from edge.payloads import AlertPayload, EventPayload, ResponsePayload, StatePayload, TelemetryPayload, UpdatePayload
from edge.requests import Incoming

_LOG = logging.getLogger(__name__)

_IDLE_S = 1.0  # how often to look at the journal unasked
_FAREWELL_S = 3.0  # how long leaving waits for the last acknowledgements
_ANNOUNCE_EVERY_S = 5.0  # and not more often, however often somebody says that Home Assistant has started
_RESPONSES = 64  # responses that may wait to be sent; the oldest go first


class Word:
    """What other threads leave for the mqtt thread. `changed` guards it, and is notified of acknowledgements."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.stopping = False
        self.state: StatePayload | None = None
        self.fill_percent: dict[str, int] = {}
        self.telemetry: TelemetryPayload | None = None
        self.image: bytes | None = None
        self.update: UpdatePayload | None = None
        self.take_request: Callable[[Incoming], None] | None = None
        self.responses: deque[tuple[str, ResponsePayload]] = deque(maxlen=_RESPONSES)


class _Sent(NamedTuple):
    """Something published and not answered yet. event_id: when the answer acknowledges an event."""

    topic: str
    event_id: UUID | None
    sent_s: float


class Session:
    """Publishes `online`, state, alerts, counts and the outbox on a connection that stands; at the end `offline`."""

    answer_timeout_s = 30.0
    """A broker that leaves a message unanswered this long is taken for dead."""
    refusal_pause_s = 10.0
    """How long events wait after the broker refused one."""
    max_in_flight = 20
    """Events on their way to the broker at one time."""

    def __init__(
        self,
        connection: Connection,
        config: Mqtt,
        topics: Topics,
        journal: EventJournal,
        faults: Faults,
        clock: Clock,
        word: Word,
        compartments: Sequence[str],
        announcer: Announcer | None = None,
    ) -> None:
        self._connection = connection
        self._replay_every_s = 1.0 / config.replay_per_s
        self._topics = topics
        self._journal = journal
        self._faults = faults
        self._clock = clock
        self._word = word
        self._compartments = compartments
        self._announcer = announcer
        self._announced = False
        self._announce_from_s = 0.0  # no announcement before this time
        self._unanswered: dict[int, _Sent] = {}  # by the number paho gave it, oldest first
        self._sent_state: StatePayload | None = None
        self._sent_alerts: dict[str, str] = {}
        self._sent_counts: dict[str, int] = {}
        self._sent_purity: dict[str, str] = {}
        self._sent_fill: dict[str, int] = {}
        self._sent_image: bytes | None = None
        self._takes_images = config.publish_image
        self._sent_update: UpdatePayload | None = None
        self._refused_topics: set[str] = set()
        self._events_from_s = 0.0  # no events before this time
        self._replay_from_s = 0.0  # no backlog before this time
        self._backlog_marked = False
        self._authenticated = config.authenticated
        self._subscribed: set[str] = set()

    def begin(self) -> None:
        """Say `online`. What finishes from now on is live. Raises LostError."""
        self._send(self._topics.availability, ONLINE, retain=True)
        if not self._takes_images:  # the broker may still keep one from before the config said so
            self._connection.publish(self._topics.last_image, "", retain=True, qos=0)
        self._mark_backlog()

    def run(self) -> None:
        """Publish until we stop, then say goodbye. Raises LostError."""
        while not self._word.stopping:
            self.listen(self._connection.poll(self.speak()))
        self.say_goodbye()
        until_s = time.monotonic() + _FAREWELL_S
        while self.unanswered and (left_s := until_s - time.monotonic()) > 0:
            self._settle(self._connection.poll(left_s))
        self._connection.close()

    # What `run` is made of, for a program that has many sessions and one thread.

    @property
    def unanswered(self) -> int:
        """Messages on their way."""
        return len(self._unanswered)

    def listen(self, acks: list[Ack]) -> None:
        """Take what the broker said: `acks`, and what else the connection received. Raises LostError."""
        self._settle(acks)
        self._hear(self._connection.received())
        self._tell_refused_subscriptions()
        self._expect_answers()

    def say_goodbye(self) -> None:
        """The last news, and `offline`. Raises LostError."""
        self.speak()
        self._send(self._topics.availability, OFFLINE, retain=True)

    def speak(self) -> float:
        """Publish all that is new and may go now. Says in how many seconds to look again. Raises LostError."""
        with self._word.changed:
            state = self._word.state
        if state is not None and state != self._sent_state:
            self._send(self._topics.state, state.to_json(), retain=True)
            self._publish_alerts(state)
            self._sent_state = state
        self._announce()
        self._publish_fill()
        self._publish_telemetry()
        self._publish_image()
        self._publish_update()
        self._publish_responses()
        if self._events_from_s > self._clock.monotonic_s():
            return _IDLE_S
        self._mark_backlog()
        self._publish_counts()
        self._publish_purity()
        return self._publish_events()

    def _announce(self) -> None:
        """After the state, so that an entity that appears has one; again when Home Assistant has started."""
        if self._announcer is None or self._announced or self._sent_state is None:
            return
        if self._clock.monotonic_s() < self._announce_from_s:
            return
        for topic, payload in self._announcer.to_publish().items():
            self._send(topic, payload, retain=True)
        self._announced = True
        self._announce_from_s = self._clock.monotonic_s() + _ANNOUNCE_EVERY_S

    def _subscribe(self, pattern: str) -> None:
        if pattern not in self._subscribed:
            self._connection.subscribe(pattern)
            self._subscribed.add(pattern)

    def _hear(self, messages: Sequence[Received]) -> None:
        """Subscribe as soon as somebody takes what comes, and hand it over."""
        with self._word.changed:
            take = self._word.take_request
        if take is not None:
            self._subscribe(self._topics.requests)
        if self._announcer is not None:
            self._subscribe(self._announcer.births)
        for message in messages:
            if self._announcer is not None and message.topic == self._announcer.births:
                self._announced = self._announced and message.payload != ONLINE.encode()
            elif take is not None:
                cmd = message.topic.removeprefix(self._topics.request(""))
                take(Incoming(cmd, message.payload, message.retained, self._authenticated, message.claim))

    def _tell_refused_subscriptions(self) -> None:
        answers = self._connection.subscriptions
        if self._announcer is not None and answers.get(self._announcer.births) is not None:
            _LOG.warning("the broker does not let the bin hear %s", self._announcer.births)
            answers[self._announcer.births] = None  # said once: it finds the bin all the same, by what is retained
        if self._topics.requests not in answers:
            return
        reason = answers[self._topics.requests]
        if reason is None:
            self._faults.clear("requests_refused")
        else:
            self._faults.report(
                "requests_refused",
                f"the broker does not let the bin hear {self._topics.requests}: {reason}",
                f"let the bin's user read {self._topics.request('#')} on the broker; until then it hears no requests",
            )

    def _publish_update(self) -> None:
        with self._word.changed:
            update = self._word.update
        if update is not None and update != self._sent_update:
            self._send(self._topics.update, update.to_json(), retain=True)
            self._sent_update = update

    def _publish_responses(self) -> None:
        while len(self._unanswered) < _RESPONSES:
            with self._word.changed:
                if not self._word.responses:
                    return
                cmd, response = self._word.responses.popleft()
            self._send(self._topics.response(cmd), response.to_json(), retain=False)

    def _publish_fill(self) -> None:
        with self._word.changed:
            levels = dict(self._word.fill_percent)
        for compartment, percent in levels.items():
            if self._sent_fill.get(compartment) != percent:
                self._send(self._topics.fill(compartment), str(percent), retain=True)
                self._sent_fill[compartment] = percent

    def _publish_image(self) -> None:
        with self._word.changed:
            image = self._word.image
        if image is not None and image is not self._sent_image:
            self._connection.publish(self._topics.last_image, image, retain=True, qos=0)
            self._sent_image = image

    def _publish_telemetry(self) -> None:
        """Once, and without an answer: the next will come."""
        with self._word.changed:
            telemetry, self._word.telemetry = self._word.telemetry, None
        if telemetry is not None:
            self._connection.publish(self._topics.telemetry, telemetry.to_json(), retain=False, qos=0)

    def _mark_backlog(self) -> None:
        if not self._backlog_marked:
            self._journal.mark_backlog()
            self._backlog_marked = True

    def _publish_alerts(self, state: StatePayload) -> None:
        """A retained message for each fault that stands; an empty one clears what another run or connection left."""
        standing = {
            fault.code: AlertPayload(since=fault.since, message=fault.message, remedy=fault.remedy).to_json()
            for fault in state.faults
        }
        for code in BY_CODE:
            alert = standing.get(code, "")
            if self._sent_alerts.get(code) != alert:
                self._send(self._topics.alert(code), alert, retain=True)
                self._sent_alerts[code] = alert

    def _publish_counts(self) -> None:
        for compartment, count in (dict.fromkeys(self._compartments, 0) | self._journal.counts()).items():
            if self._sent_counts.get(compartment) != count:
                self._send(self._topics.count(compartment), str(count), retain=True)
                self._sent_counts[compartment] = count

    def _publish_purity(self) -> None:
        for compartment, purity in self._journal.purity().items():
            percent = f"{purity.percent:.1f}"
            if self._sent_purity.get(compartment) != percent:
                self._send(self._topics.purity(compartment), percent, retain=True)
                self._sent_purity[compartment] = percent

    def _publish_events(self) -> float:
        """Live events first, all that fit; then one of the backlog, when its turn has come."""
        under_way = {sent.event_id for sent in self._unanswered.values() if sent.event_id is not None}
        room = self.max_in_flight - len(under_way)
        for event in self._journal.outbox(room, live=True, skip=under_way):
            self._send_event(event)
            self._send(self._topics.last_classification, event.to_json(), retain=True)
            room -= 1
        now_s = self._clock.monotonic_s()
        if room > 0 and now_s >= self._replay_from_s:
            for event in self._journal.outbox(1, live=False, skip=under_way):
                self._send_event(event)
                self._replay_from_s = now_s + self._replay_every_s
        return self._replay_from_s - now_s if self._replay_from_s > now_s else _IDLE_S

    def _send_event(self, event: EventPayload) -> None:
        self._send(self._topics.classification, event.to_json(), retain=False, event_id=event.event_id)

    def _send(self, topic: str, payload: str, *, retain: bool, event_id: UUID | None = None) -> None:
        mid = self._connection.publish(topic, payload, retain=retain)
        self._unanswered[mid] = _Sent(topic, event_id, self._clock.monotonic_s())

    def _settle(self, acks: list[Ack]) -> None:
        """Tell the journal what has arrived. What the broker refused stays in the outbox and waits."""
        delivered: list[UUID] = []
        for ack in acks:
            sent = self._unanswered.pop(ack.mid, None)
            if sent is None:
                continue  # of QoS 0
            if ack.refusal is not None:
                self._message_refused(sent, ack.refusal)
                continue
            self._refused_topics.discard(sent.topic)
            if self._announcer is not None:
                self._announcer.settled(sent.topic)
            if sent.event_id is not None:
                delivered.append(sent.event_id)
        if not self._refused_topics:
            self._faults.clear("publish_refused")
        if delivered:
            self._journal.acknowledge(*delivered)
            with self._word.changed:
                self._word.changed.notify_all()

    def _message_refused(self, sent: _Sent, reason: str) -> None:
        self._refused_topics.add(sent.topic)
        if sent.event_id is not None:
            self._hold_events()
        self._faults.report(
            "publish_refused",
            f"the broker refused a message on {sent.topic}: {reason}",
            f"let the bin's user write to {self._topics.base}/# on the broker; events are kept and sent later"
            if sent.topic.startswith(f"{self._topics.base}/")
            else "let the bin's user write there, or set mqtt.discovery.enabled: false",
        )

    def _hold_events(self) -> None:
        self._events_from_s = self._clock.monotonic_s() + self.refusal_pause_s
        self._backlog_marked = False  # those that wait are not live any more

    def _expect_answers(self) -> None:
        """A broker that takes messages and never answers would hold the outbox for ever."""
        oldest = next(iter(self._unanswered.values()), None)
        if oldest is not None and self._clock.monotonic_s() - oldest.sent_s > self.answer_timeout_s:
            raise LostError(
                f"the broker has not acknowledged a message on {oldest.topic} for {self.answer_timeout_s:g} s"
            )
