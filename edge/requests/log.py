"""Who asked what, and what came of it: a table in the journal's database, and what makes a repeated id harmless.

Each write is a connection of its own: requests are rare, and the journal may replace its file at any time. Where the
disk takes nothing, the newest are known from memory until the program ends; the journal tells of the disk.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edge.domain import Clock

MAX_ROWS = 1_000
IN_MEMORY = 256
_BUSY_S = 2.0

_TABLE = """
CREATE TABLE IF NOT EXISTS requests (
    n          INTEGER PRIMARY KEY,
    at         TEXT NOT NULL,     -- UTC
    via        TEXT NOT NULL,     -- mqtt or socket
    who        TEXT NOT NULL,     -- what is known of who asked
    cmd        TEXT NOT NULL,
    asked      TEXT NOT NULL,     -- its arguments as JSON, without secrets
    request_id TEXT UNIQUE,       -- the sender's own; NULL where there was none, or it was refused unread
    response   TEXT               -- ResponsePayload as JSON; NULL while it is being done
)
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One request, as written down. asked: its arguments as JSON, without secrets."""

    via: str
    who: str
    cmd: str
    asked: str
    request_id: str | None = None


class Known(NamedTuple):
    """What was asked under an id before. response: None when it is still being done, or was cut off."""

    cmd: str
    asked: str
    response: str | None
    cut_off: bool = False


class RequestLog:
    """Safe to use from any thread. path: the journal's database; max_rows: kept, the oldest go first."""

    def __init__(self, path: Path, clock: Clock, *, max_rows: int = MAX_ROWS) -> None:
        self._path, self._clock, self._max_rows = path, clock, max_rows
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Known] = OrderedDict()

    def begin(self, entry: Entry) -> int | None:
        """Write down that it is being done. Gives the number to `end` it with; None when the disk takes nothing."""
        self._remember(entry.request_id, Known(entry.cmd, entry.asked, None))
        return self._insert(entry, None)

    def end(self, number: int | None, entry: Entry, response: str) -> None:
        """Write down what came of it."""
        self._remember(entry.request_id, Known(entry.cmd, entry.asked, response))
        if number is not None:
            self._write("UPDATE requests SET response = ? WHERE n = ?", (response, number))

    def refused(self, entry: Entry, response: str) -> None:
        """Write down what was not begun. Its id stays free: the same request may come again later."""
        self._insert(Entry(entry.via, entry.who, entry.cmd, entry.asked), response)

    def find(self, request_id: str) -> Known | None:
        """What was asked under this id before, in this run or an earlier one."""
        with self._lock:
            if request_id in self._known:
                return self._known[request_id]
        rows = self._read("SELECT cmd, asked, response FROM requests WHERE request_id = ?", (request_id,))
        if not rows:
            return None
        cmd, asked, response = rows[0]
        return Known(cmd, asked, response, cut_off=response is None)

    def newest(self, n: int) -> list[dict[str, Any]]:
        """The newest `n`, newest first, as documents."""
        columns = ("at", "via", "who", "cmd", "asked", "request_id", "response")
        rows = self._read(f"SELECT {', '.join(columns)} FROM requests ORDER BY n DESC LIMIT ?", (n,))
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _remember(self, request_id: str | None, known: Known) -> None:
        if request_id is not None:
            with self._lock:
                self._known[request_id] = known
                self._known.move_to_end(request_id)
                while len(self._known) > IN_MEMORY:
                    self._known.popitem(last=False)

    def _insert(self, entry: Entry, response: str | None) -> int | None:
        number = self._write(
            "INSERT OR IGNORE INTO requests (at, via, who, cmd, asked, request_id, response) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self._clock.utc().isoformat(), entry.via, entry.who, entry.cmd, entry.asked, entry.request_id, response,
            ),
        )  # fmt: skip
        if number is not None and number % 50 == 0:
            self._write("DELETE FROM requests WHERE n <= ?", (number - self._max_rows,))
        return number

    def _write(self, statement: str, values: tuple[object, ...]) -> int | None:
        """The row's number; None when the disk takes nothing."""
        try:
            with closing(self._connect()) as db, db:
                if db.execute("PRAGMA user_version").fetchone() == (0,):
                    return None  # the journal is about to make its tables, and takes a file with others for foreign
                db.execute(_TABLE)
                return db.execute(statement, values).lastrowid
        except sqlite3.Error as error:
            _log.warning("a request could not be written down in %s: %s", self._path, error)
            return None

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            with closing(self._connect()) as db:
                return db.execute(query, values).fetchall()
        except sqlite3.Error:  # no table yet, or a disk of which the journal tells
            return []

    def _connect(self) -> sqlite3.Connection:
        """Never makes the file: the journal does, with its own tables first."""
        return sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S)
