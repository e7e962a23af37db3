"""A journal that goes on when the disk does not.

    disk well ────────── every call goes to the database
    disk fails ─────────► events wait in memory, in order; fault `journal_failed`; tried again every 10 s
    disk is back ───────► what waited is written in one commit, with the same ids
    database damaged ───► set aside under another name, a new one made; fault `journal_replaced`

What waits in memory is published like the rest. It does not survive the end of the program: that is the loss the fault
tells of.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from edge.domain import Clock, Outcome, Purity, SortEvent
from edge.errors import DamagedJournal, ForeignJournal, JournalError
from edge.faults import Faults
from edge.journal.aside import Numbers, numbers_of, set_aside
from edge.journal.slow import SlowDisk
from edge.journal.store import Journal
from edge.payloads import EventPayload, event_payload

T = TypeVar("T")

RETRY_S = 10.0
"""How often a failing disk is tried."""
FLUSH_S, FLUSH_AT = 30.0, 500
"""Acknowledgements are written with the next event; else after so many seconds, or when there are so many."""
EPOCH_SEQ = 1_700_000_000
"""Numbers start here when neither the database nor the clock can be read: above all that was counted from 1."""


@dataclass
class _Held:
    """An event that waits for the disk. live: finished since the backlog was marked."""

    event: SortEvent
    live: bool = True


class SteadyJournal:
    """The journal of one bin, for its whole life. A context manager; safe to use from any thread.

    max_events: rows kept on disk. max_in_memory: events kept while the disk takes none. store: opens the database.
    `tend` must be called now and then: it writes what waits.

    Faults: `journal_failed`, `journal_slow`, `journal_replaced`.

    Raises, when entered:
        ForeignJournal: the file belongs to another program or a newer version.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_events: int,
        max_in_memory: int,
        faults: Faults,
        clock: Clock,
        store: Callable[..., Journal] = Journal,
    ) -> None:
        self._path = path
        self._max_events = max_events
        self._open_store = store
        self._max_in_memory = max_in_memory
        self._faults = faults
        self._clock = clock
        self._disk = SlowDisk(faults, clock)
        self._lock = threading.RLock()
        self._store: Journal | None = None
        self._failed = self._damaged = False
        self._last_seq = 0
        self._first_seq: int | None = None  # of this run
        self._retry_at_s = 0.0
        self._held: dict[UUID, _Held] = {}
        self._acked: set[UUID] = set()  # acknowledged, and not written yet
        self._acked_s = 0.0  # when the oldest of them came
        self._lost = 0  # of what was held
        self._known = Numbers(0, {})  # as last read from the database
        self._known_purity: dict[str, Purity] = {}
        self._known_dropped = 0

    def __enter__(self) -> SteadyJournal:
        with self._lock:
            self._bring_back()
            self._last_seq = self._ask(lambda store: store.next_seq() - 1, 0) or (
                0 if self._store is not None and not self._failed else self._guessed_seq()
            )
            self._first_seq = self._last_seq + 1
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            if self._held:
                self._bring_back()
            if self._acked and not self._failed:
                self._flush()
            self._close()

    def tend(self) -> None:
        """Write what waits, when its time has come. Called between items."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._failed:
                if now_s >= self._retry_at_s:
                    self._bring_back()
            elif self._acked and (now_s - self._acked_s >= FLUSH_S or len(self._acked) >= FLUSH_AT):
                self._flush()

    # Writing: the sorter.

    def next_seq(self) -> int:
        """The number for the next event. Rises across restarts, and jumps when the database could not be read."""
        return self._last_seq + 1

    def record(self, event: SortEvent) -> None:
        """Keep an event that was decided. Call it before anything moves. The outcome must be PENDING."""
        if event.outcome is not Outcome.PENDING:
            raise ValueError(f"a new event is PENDING, found {event.outcome.value}")
        with self._lock:
            self._write(event, lambda store, acked: store.record(event, acknowledged=acked))
            self._last_seq = max(self._last_seq, event.seq)

    def complete(self, event: SortEvent) -> None:
        """Keep the outcome of a recorded event. From now on it may be published."""
        if event.outcome is Outcome.PENDING:
            raise ValueError("a completed event has an outcome, found PENDING")
        with self._lock:
            self._write(event, lambda store, acked: store.complete(event, acknowledged=acked))

    def _write(self, event: SortEvent, write: Callable[[Journal, Collection[UUID]], None]) -> None:
        if self._store is not None and not self._failed:
            try:
                with self._disk.commit():
                    write(self._store, self._acked)
                self._acked.clear()
                return
            except JournalError as error:
                self._fail(error)
        self._held[event.event_id] = _Held(event)
        while len(self._held) > self._max_in_memory:
            self._forget_one()

    def _forget_one(self) -> None:
        """Acknowledged ones go first, as on disk."""
        gone = next((event_id for event_id in self._held if event_id in self._acked), next(iter(self._held)))
        del self._held[gone]
        if gone not in self._acked:
            self._lost += 1

    # Sending: the publisher.

    def mark_backlog(self) -> None:
        """Everything finished so far is backlog from now on."""
        with self._lock:
            self._ask(lambda store: store.mark_backlog(), None)
            for held in self._finished():
                held.live = False

    def outbox(self, limit: int, *, live: bool, skip: Collection[UUID] = ()) -> list[EventPayload]:
        """As `Journal.outbox`. What waits in memory comes after what is on disk."""
        with self._lock:
            elsewhere = {*skip, *self._acked, *self._held}
            events = self._ask(lambda store: store.outbox(limit, live=live, skip=elsewhere), list[EventPayload]())
            waiting = [
                event_payload(held.event, historical=not live)
                for held in self._finished()
                if held.live is live and held.event.event_id not in self._acked and held.event.event_id not in skip
            ]
            return [*events, *waiting][:limit]

    def acknowledge(self, *event_ids: UUID) -> None:
        """The broker has these events. Written with the next event: until then a power cut sends them once more."""
        with self._lock:
            if not self._acked:
                self._acked_s = self._clock.monotonic_s()
            self._acked.update(event_ids)

    # Looking.

    def depth(self) -> int:
        """How many finished events the broker has not acknowledged."""
        with self._lock:
            elsewhere = {*self._acked, *self._held}
            waiting = sum(held.event.event_id not in self._acked for held in self._finished())
            return waiting + self._ask(lambda store: store.depth(skip=elsewhere), 0)

    def counts(self) -> dict[str, int]:
        """Compartment → items confirmed in it since the journal was made. Never goes down."""
        with self._lock:
            counts = dict(self._ask(lambda store: store.counts(), self._known.counts))
            self._known = self._known._replace(counts=dict(counts))
            for held in self._finished():
                if held.event.outcome is Outcome.CONFIRMED:
                    counts[held.event.decision.compartment] = counts.get(held.event.decision.compartment, 0) + 1
            return counts

    def purity(self) -> dict[str, Purity]:
        """Compartment → what the network thinks of the items confirmed in it, since this database was made."""
        with self._lock:
            purity = dict(self._ask(lambda store: store.purity(), self._known_purity))
            self._known_purity = dict(purity)
            for held in self._finished():
                where, p_right = held.event.decision.compartment, held.event.decision.p_right
                if held.event.outcome is Outcome.CONFIRMED and p_right is not None:
                    items, right = purity.get(where, (0, 0.0))
                    purity[where] = Purity(items + 1, right + p_right)
            return purity

    def newest(self, n: int) -> list[EventPayload]:
        """The newest `n` events, newest first, PENDING ones too."""
        with self._lock:
            waiting = [event_payload(held.event) for held in reversed(self._held.values())]
            kept = self._ask(lambda store: store.newest(n), list[EventPayload]())
            return [*waiting, *(event for event in kept if event.event_id not in self._held)][:n]

    @property
    def dropped(self) -> int:
        """Events deleted to make room before the broker had them, since the journal was made."""
        with self._lock:
            self._known_dropped = self._ask(lambda store: store.dropped, self._known_dropped)
            return self._known_dropped + self._lost

    def _finished(self) -> list[_Held]:
        return [held for held in self._held.values() if held.event.outcome is not Outcome.PENDING]

    # The database.

    def _ask(self, question: Callable[[Journal], T], otherwise: T) -> T:
        """What the database answers; `otherwise` when it does not."""
        if self._store is None:
            return otherwise
        try:
            return question(self._store)
        except JournalError as error:
            self._fail(error)
            return otherwise

    def _flush(self) -> None:
        acked = self._acked
        if self._store is not None:
            try:
                self._store.acknowledge(*acked)
                acked.clear()
            except JournalError as error:
                self._fail(error)

    def _new_store(self) -> Journal:
        return self._open_store(self._path, max_events=self._max_events)

    def _fail(self, error: JournalError) -> None:
        self._failed = True
        self._damaged = self._damaged or isinstance(error, DamagedJournal)
        self._retry_at_s = self._clock.monotonic_s() + (0.0 if self._damaged else RETRY_S)
        self._faults.report(
            "journal_failed",
            f"{error}; the newest {self._max_in_memory} events are kept in memory meanwhile",
            "see the message; what waits is written as soon as the disk takes it, and lost if the bin is switched off",
        )

    def _bring_back(self) -> None:
        """Open the database anew and write down what waited; on failure all stays as it was."""
        fresh = self._new_store()
        try:
            self._enter(fresh)
            fresh.recover(before_seq=self._first_seq)
            fresh.adopt([held.event for held in self._held.values()], acknowledged=self._acked, dropped=self._lost)
            fresh.mark_backlog()  # what waited for the disk is no longer live
        except JournalError as error:
            fresh.__exit__()
            if isinstance(error, ForeignJournal) and self._first_seq is None:
                raise
            self._fail(error)
        else:
            self._close()
            self._store, self._failed, self._damaged, self._lost = fresh, False, False, 0
            self._held.clear()
            self._acked.clear()
            self._faults.clear("journal_failed")

    def _enter(self, store: Journal) -> None:
        try:
            store.__enter__()
            if not self._damaged or store.sound():
                return
            store.__exit__()
        except DamagedJournal:
            pass
        self._close()
        self._replace()
        store.__enter__()
        store.seed(*self._known)

    def _replace(self) -> None:
        """Set the damaged database aside, and read from it what the new one goes on from."""
        try:
            aside = set_aside(self._path, self._clock.utc())
        except OSError as error:
            raise JournalError(f"{self._path}: damaged, and cannot be renamed: {error.strerror}") from None
        old = numbers_of(aside)
        counts = {
            name: max(n, self._known.counts.get(name, 0)) for name, n in {**self._known.counts, **old.counts}.items()
        }
        last_seq = max(old.last_seq, self._last_seq) or self._guessed_seq()
        self._known = Numbers(last_seq, counts)
        self._faults.report(
            "journal_replaced",
            f"{self._path} was damaged, and is now {aside.name}; events in it that the broker had not acknowledged are "
            "not sent",
            "replace the memory card or disk if this happens again; sqlite3's .recover may read the old file",
        )

    def _guessed_seq(self) -> int:
        return max(EPOCH_SEQ, int(self._clock.utc().timestamp()))

    def _close(self) -> None:
        if self._store is not None:
            self._store.__exit__()
            self._store = None
