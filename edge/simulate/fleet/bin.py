"""One bin of a fleet: the session, the journal and the payloads of a real one; what it sorts is made up."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal
from uuid import UUID, uuid4

from paho.mqtt.enums import MQTTProtocolVersion

from edge import __version__
from edge.config import Config
from edge.domain import Clock, ModelId, Outcome, SortEvent
from edge.faults import Faults
from edge.journal import Journal
from edge.mqtt.backoff import Backoff
from edge.mqtt.client import MqttPublisher
from edge.mqtt.credentials import Credentials
from edge.mqtt.session import Session, Word
from edge.mqtt.topics import OFFLINE, Topics
from edge.payloads import FaultPayload, ResponsePayload, StatePayload, TelemetryPayload, UpdatePayload, VersionsPayload
from edge.requests import Incoming
from edge.simulate.fleet.items import ENGINE, Items
from edge.simulate.fleet.plan import ACTUATE_S, LOOK_S
from edge.simulate.fleet.tally import CountedConnection, Tally

_TURN_S = 1.0  # as often as a real bin's connection looks at its keep-alive
_ANSWER_S = 300.0  # what is slow after an outage is one thread with all bins' connections, not the broker
_LOOK_S = 10.0  # as often as the journal is looked at unasked
_OUTCOMES = (Outcome.CONFIRMED, Outcome.CONFIRMED, Outcome.CONFIRMED, Outcome.CONFIRMED, Outcome.LOST)
Phase = Literal["waiting", "looking", "sorting", "stopped"]


class FleetBin:
    """For the crowd's thread, but for `connection`, which may be called on another one. A context manager.

    finished: told of each event's end. due_s: when `turn` is wanted next.
    """

    def __init__(
        self,
        bin_id: str,
        config: Config,
        credentials: Credentials,
        model: ModelId,
        items: Items,
        clock: Clock,
        random: Random,
        tally: Tally,
        bell: socket.socket,
        finished: Callable[[UUID, float], None],
    ) -> None:
        self.topics = Topics(bin_id)
        self._config, self._credentials, self._model, self._items = config, credentials, model, items
        self._clock, self._random, self._tally, self._bell, self._finished = clock, random, tally, bell, finished
        self._boot_id, self._started_s = uuid4(), clock.monotonic_s()
        self._faults = Faults(clock)
        self.journal = Journal(Path(":memory:"), max_events=config.journal.max_events)  # SQLite's name for no file
        self._compartments = sorted(config.actuator.positions)
        self._word = Word()
        self._word.take_request = self._decline
        self._word.update = UpdatePayload(
            installed_version=model.version, latest_version=model.version, in_progress=False
        )
        self._backoff = Backoff(*MqttPublisher.backoff_s)
        self._phase: Phase = "waiting"
        self._item: SortEvent | None = None
        self._every_s = self._item_s = self._step_s = float("inf")
        self._telemetry_s = self._started_s + random.uniform(0, config.mqtt.telemetry_s)
        self._opened_s = self._speak_s = 0.0
        self.retained: set[str] = set()
        self.session: Session | None = None
        self.line: CountedConnection | None = None
        self.losses = 0
        self.due_s = self._started_s
        self._tell_state()

    def __enter__(self) -> FleetBin:
        self.journal.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.line is not None:
            self.line.drop()
        self.journal.__exit__()

    # The connection.

    def connection(self) -> CountedConnection:
        """One to be opened, as a bin's publisher makes it."""
        will = (self.topics.availability, OFFLINE)
        return CountedConnection(
            self._config.mqtt, self._credentials, self.topics.client_id, will, MQTTProtocolVersion.MQTTv5, self._bell,
            tally=self._tally, retained=self.retained,
        )  # fmt: skip

    def connected(self, line: CountedConnection) -> None:
        """It is open: say what a bin says first. Raises LostError."""
        self.line, self._opened_s = line, self._clock.monotonic_s()
        line.count_in()
        self._faults.clear("broker_unreachable")
        self._tell_state()
        self.session = Session(
            line, self._config.mqtt, self.topics, self.journal, self._faults, self._clock, self._word,
            self._compartments,
        )  # fmt: skip
        self.session.answer_timeout_s = _ANSWER_S
        self.session.begin()
        self._speak_s = self._opened_s
        self.turn()

    def lost(self, reason: str) -> float:
        """There is no connection, or none any more; in how many seconds to try again."""
        if self.line is not None:
            self.line.drop()
            self.losses += 1
            self._backoff.ended(self._clock.monotonic_s() - self._opened_s)
        self.line = self.session = None
        self._faults.report("broker_unreachable", reason, "look after the broker; events are kept and sent later")
        self._tell_state()
        return self._backoff.next_s()

    @property
    def quiet(self) -> bool:
        """Connected, and all that was said is acknowledged."""
        return self.session is not None and self.session.unanswered == 0

    # What it does.

    def start(self, every_s: float) -> None:
        """An item every so many seconds from now on, the first one anywhere in between. inf: no more."""
        self._every_s = every_s
        self._item_s = self._clock.monotonic_s() + (self._random.uniform(0, every_s) if every_s < 1e9 else every_s)
        self.due_s = self._next_s()

    @property
    def idle(self) -> bool:
        """No item on the tray."""
        return self._phase == "waiting"

    def turn(self, *, readable: bool = False) -> None:
        """Do what is due, hear and speak. Raises LostError."""
        now_s = self._clock.monotonic_s()
        news = self._sort(now_s)
        if now_s >= self._telemetry_s:
            self._telemetry_s += self._config.mqtt.telemetry_s
            self._word.telemetry = self._telemetry(now_s) if self.session is not None else None
            news = True
        if self.session is not None and self.line is not None:
            acks = self.line.serve(readable=readable)
            self.session.listen(acks)
            if news or acks or now_s >= self._speak_s:
                wait_s = self.session.speak()
                # Unasked it looks every second; here nothing is new without this thread's knowing.
                self._speak_s = now_s + (wait_s if wait_s < _TURN_S else _LOOK_S)
        self.due_s = self._next_s()

    def _next_s(self) -> float:
        turn_s = self._clock.monotonic_s() + _TURN_S
        return min(turn_s, self._speak_s, self._item_s, self._step_s, self._telemetry_s)

    def _sort(self, now_s: float) -> bool:
        """Look, decide and write down, move and write down; whether something has changed."""
        if self._phase == "waiting" and now_s >= self._item_s:
            self._item_s += self._every_s
            self._step("looking", now_s + LOOK_S)
        elif self._phase == "looking" and now_s >= self._step_s:
            self._item = self._items.next(self._boot_id, self.journal.next_seq(), self._clock.utc(), clock_synced=True)
            self.journal.record(self._item)
            self._step("sorting", now_s + ACTUATE_S)
        elif self._phase == "sorting" and now_s >= self._step_s and self._item is not None:
            self.journal.complete(replace(self._item, outcome=self._random.choice(_OUTCOMES)))
            self._finished(self._item.event_id, self._clock.monotonic_s())
            self._item = None
            self._step("waiting", float("inf"))
        else:
            return False
        return True

    def _step(self, phase: Phase, until_s: float) -> None:
        self._phase, self._step_s = phase, until_s
        self._tell_state()

    def in_outbox(self) -> list[UUID]:
        """Finished events that the broker has not acknowledged."""
        depth = self.journal.depth()
        return [event.event_id for live in (True, False) for event in self.journal.outbox(depth, live=live)]

    # What it says.

    def _tell_state(self) -> None:
        self._word.state = StatePayload(
            phase=self._phase,
            mode="auto",
            faults=[
                FaultPayload(code=fault.code, since=fault.since, message=fault.message, remedy=fault.remedy)
                for fault in self._faults.standing()
            ],
            versions=VersionsPayload(program=__version__, model=self._model.version),
            engine=ENGINE,
            site=self._config.site,
            residual=self._config.sorting.residual,
            min_probability=self._config.sorting.min_probability,
        )

    def _telemetry(self, now_s: float) -> TelemetryPayload:
        """A bin's on a Raspberry Pi, with chance for its sensors."""

        def about(value: float) -> float:
            return round(value * self._random.uniform(0.9, 1.1), 2)

        return TelemetryPayload(
            ts=self._clock.utc(), uptime_s=round(now_s - self._started_s, 1), fps=about(29), fault_count=0,
            outbox_depth=self.journal.depth(), memory_mib=about(200), disk_free_mib=about(20_000),
            temperature_c=about(60), cpu_temperature_c=about(60), capture_p50_ms=about(4), capture_p95_ms=about(6),
            preprocess_p50_ms=about(0.6), preprocess_p95_ms=about(0.9), infer_p50_ms=about(18),
            infer_p95_ms=about(24), decide_p50_ms=about(0.1), decide_p95_ms=about(0.2), actuate_p50_ms=about(810),
            actuate_p95_ms=about(1650),
        )  # fmt: skip

    def _decline(self, incoming: Incoming) -> None:
        request_id = None
        with suppress(ValueError, TypeError, KeyError):
            request_id = str(json.loads(incoming.payload)["id"])
        response = ResponsePayload(id=request_id, ok=False, error="this bin is simulated, to size the broker by")
        self._word.responses.append((incoming.cmd, response))
