"""The journal's database: every sorted item, kept on disk until the broker has it.

    record ──► PENDING ──complete──► finished ──acknowledge──► acknowledged ──(room needed)──► deleted
                  └──recover (the program ended in between)──► finished as INTERRUPTED

An event is written by `record` before anything moves, and may be published from `complete` on. SQLite in WAL mode with
synchronous=FULL: what a method has written when it returns survives kill -9 and a power cut, and a method that did not
return has written all of it or nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from edge.domain import Outcome, Purity, SortEvent
from edge.errors import DamagedJournal, ForeignJournal, JournalError
from edge.journal.sql import (
    JOURNAL_VERSION,
    NEXT_FINISHED,
    NOT_IN,
    TABLES,
    acknowledge,
    add,
    explain,
    finish,
    ids,
    purities,
)
from edge.payloads import EventPayload, event_payload


class Journal:
    """The journal of one bin. A context manager; safe to use from any thread.

    path: the database file; its folder is made. max_events: rows kept. When there are more, the oldest acknowledged
    ones go first, then the oldest unacknowledged ones, which are lost and counted in `dropped`; an event that is still
    PENDING never goes.

    Live and backlog: a finished event is live until `mark_backlog` is called, which the publisher does whenever it
    connects. So what waited through an outage, or comes from an earlier run, is backlog, and is sent as historical.

    Every method raises JournalError when the file cannot be read or written.
    """

    def __init__(self, path: Path, *, max_events: int) -> None:
        self._path = path
        self._max_events = max_events
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self._first_seq_of_run = 1
        self._backlog_until = 0  # finished events up to this number are backlog

    def __enter__(self) -> Journal:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(
                f"{self._path.parent}: {error.strerror}; the journal needs a folder it may write to: set state_dir"
            ) from None
        with self._lock, self._explained():
            self._open = self._connect()
            try:
                self._prepare(self._open)
                self._first_seq_of_run = self.next_seq()
                self.mark_backlog()
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            if self._open is not None:
                with suppress(sqlite3.Error):  # all that was promised is on disk already
                    self._open.close()
                self._open = None

    # Writing: the sorter.

    def next_seq(self) -> int:
        """The number for the next event: one more than the newest, across restarts."""
        return self._number(
            "SELECT 1 + max(coalesce((SELECT max(seq) FROM events), 0), "
            "coalesce((SELECT value FROM totals WHERE name = 'last_seq'), 0))"
        )

    def record(self, event: SortEvent, *, acknowledged: Collection[UUID] = ()) -> None:
        """Keep an event that was decided. Call it before anything moves. The outcome must be PENDING.

        acknowledged: as `acknowledge`, in the same commit: a memory card wears by the commit.
        """
        if event.outcome is not Outcome.PENDING:
            raise ValueError(f"a new event is PENDING, found {event.outcome.value}")
        with self._transaction() as db:
            if db.execute(
                "SELECT 1 FROM events WHERE seq = ? OR event_id = ?", (event.seq, str(event.event_id))
            ).fetchone():
                raise ValueError(f"event {event.seq} ({event.event_id}) is journalled already; see next_seq()")
            db.execute(
                "INSERT INTO events (seq, event_id, payload) VALUES (?, ?, ?)",
                (event.seq, str(event.event_id), event_payload(event).to_json()),
            )
            acknowledge(db, acknowledged)
            self._make_room(db)

    def complete(self, event: SortEvent, *, acknowledged: Collection[UUID] = ()) -> None:
        """Keep the outcome of a recorded event. From now on it may be published. acknowledged: as in `record`."""
        if event.outcome is Outcome.PENDING:
            raise ValueError("a completed event has an outcome, found PENDING")
        with self._transaction() as db:
            if not finish(db, event):
                raise ValueError(f"event {event.seq} ({event.event_id}) was not recorded, or is completed already")
            acknowledge(db, acknowledged)

    def adopt(self, events: Sequence[SortEvent], *, acknowledged: Collection[UUID] = (), dropped: int = 0) -> None:
        """Keep events that had to wait for the disk, in their order; what is here already is not kept twice.

        dropped: how many more were lost meanwhile.
        """
        with self._transaction() as db:
            for event in events:
                known = db.execute("SELECT 1 FROM events WHERE event_id = ?", (str(event.event_id),)).fetchone()
                if not known:
                    # A free number, should the event's be taken: it was given without sight of this database.
                    db.execute(
                        "INSERT INTO events (seq, event_id, payload) VALUES "
                        "(iif((SELECT 1 FROM events WHERE seq = ?1), (SELECT max(seq) + 1 FROM events), ?1), ?2, ?3)",
                        (event.seq, str(event.event_id), event_payload(event).to_json()),
                    )
                if event.outcome is not Outcome.PENDING:
                    finish(db, event)
            acknowledge(db, acknowledged)
            add(db, "dropped", dropped)
            self._make_room(db)

    def seed(self, last_seq: int, counts: Mapping[str, int]) -> None:
        """For a journal made in place of another: go on from the other's numbers."""
        with self._transaction() as db:
            add(db, "last_seq", last_seq)
            db.executemany("INSERT OR IGNORE INTO counts VALUES (?, ?)", list(counts.items()))

    def recover(self, *, before_seq: int | None = None) -> int:
        """At boot: events that an earlier run left PENDING become INTERRUPTED, and may be published. Says how many.

        before_seq: the first number of this run; None: it began when the journal was opened.
        """
        with self._transaction() as db:
            rows = db.execute(
                "SELECT seq, payload FROM events WHERE finished IS NULL AND seq < ? ORDER BY seq",
                (self._first_seq_of_run if before_seq is None else before_seq,),
            ).fetchall()
            for seq, text in rows:
                payload = EventPayload.model_validate_json(text)
                actuation = payload.actuation.model_copy(update={"outcome": Outcome.INTERRUPTED.value})
                db.execute(
                    f"UPDATE events SET payload = ?, finished = {NEXT_FINISHED} WHERE seq = ?",
                    (payload.model_copy(update={"actuation": actuation}).to_json(), seq),
                )
            if rows:
                self.mark_backlog()
        return len(rows)

    # Sending: the publisher.

    def mark_backlog(self) -> None:
        """Everything finished so far is backlog from now on: it waited for a connection, or is of an earlier run."""
        self._backlog_until = self._number("SELECT coalesce(max(finished), 0) FROM events WHERE finished IS NOT NULL")

    def outbox(self, limit: int, *, live: bool, skip: Collection[UUID] = ()) -> list[EventPayload]:
        """At most `limit` finished events that the broker has not acknowledged, oldest first, without those in `skip`.

        live: those finished since `mark_backlog`; otherwise the backlog, with `historical` set.
        """
        side = ">" if live else "<="
        rows = self._rows(
            f"SELECT payload FROM events WHERE acknowledged = 0 AND finished IS NOT NULL AND finished {side} ? "
            f"AND {NOT_IN} ORDER BY finished LIMIT ?",
            (self._backlog_until, ids(skip), limit),
        )
        return [EventPayload.model_validate_json(text).model_copy(update={"historical": not live}) for (text,) in rows]

    def acknowledge(self, *event_ids: UUID) -> None:
        """The broker has these events. Unknown ones are ignored: they may have been deleted meanwhile."""
        with self._transaction() as db:
            acknowledge(db, event_ids)

    # Looking.

    def depth(self, *, skip: Collection[UUID] = ()) -> int:
        """How many finished events the broker has not acknowledged, without those in `skip`."""
        ((number,),) = self._rows(
            f"SELECT count(*) FROM events WHERE acknowledged = 0 AND finished IS NOT NULL AND {NOT_IN}", (ids(skip),)
        )
        return int(number)

    def counts(self) -> dict[str, int]:
        """Compartment → items confirmed in it since the journal was made. Never goes down."""
        return dict(self._rows("SELECT compartment, confirmed FROM counts ORDER BY compartment"))

    def purity(self) -> dict[str, Purity]:
        """Compartment → what the network thinks of the items confirmed in it, since the journal was made."""
        return purities(self._rows("SELECT name, value FROM totals"))

    def newest(self, n: int) -> list[EventPayload]:
        """The newest `n` events, newest first, PENDING ones too."""
        rows = self._rows("SELECT payload FROM events ORDER BY seq DESC LIMIT ?", (n,))
        return [EventPayload.model_validate_json(text) for (text,) in rows]

    @property
    def dropped(self) -> int:
        """Events deleted to make room before the broker had them, since the journal was made."""
        return self._number("SELECT value FROM totals WHERE name = 'dropped'")

    def sound(self) -> bool:
        """Whether SQLite finds the file undamaged. Reads all of it."""
        try:
            return self._rows("PRAGMA quick_check(1)") == [("ok",)]
        except DamagedJournal:
            return False

    # The database.

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # NORMAL may lose the newest commits in a power cut
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and tables == 0:
            db.executescript(TABLES)
        elif version != JOURNAL_VERSION:
            found = "some other program's database" if version == 0 else f"a journal of version {version}"
            raise ForeignJournal(
                f"{self._path}: found {found}, this program reads version {JOURNAL_VERSION}; "
                "use a newer program, or move the file away to start a new journal"
            )

    def _make_room(self, db: sqlite3.Connection) -> None:
        (rows,) = db.execute("SELECT count(*) FROM events").fetchone()
        surplus = rows - self._max_events
        if surplus <= 0:
            return
        surplus -= db.execute(
            "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE acknowledged = 1 ORDER BY seq LIMIT ?)",
            (surplus,),
        ).rowcount
        if surplus <= 0:
            return
        lost = db.execute(
            "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE finished IS NOT NULL ORDER BY seq LIMIT ?)",
            (surplus,),
        ).rowcount
        add(db, "dropped", lost)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block is written when it ends, or nothing of it."""
        with self._lock, self._explained():
            db = self._database()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        with self._lock, self._explained():
            return self._database().execute(query, parameters).fetchall()

    def _number(self, query: str) -> int:
        ((number,),) = self._rows(query)
        return int(number)

    def _database(self) -> sqlite3.Connection:
        if self._open is None:
            raise JournalError(f"{self._path}: the journal is closed; use it inside its `with` block")
        return self._open

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns SQLite's errors into JournalError."""
        try:
            yield
        except sqlite3.Error as error:
            raise explain(self._path, error) from error
