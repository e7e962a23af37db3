"""A disk that fails on request, under a real database: full, read-only, unreadable, slow, damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from edge.domain import Clock
from edge.journal import Journal

_WRITING = {
    "full": "database or disk is full",
    "read_only": "attempt to write a readonly database",
    "unreadable": "disk I/O error",
}
"""What SQLite says of each."""


class DiskFaults:
    """What is wrong with the disk; may change at any time. slow_s: seconds that each commit takes longer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.fault: Literal["full", "read_only", "unreadable"] | None = None
        self.slow_s = 0.0

    def journal(self, path: Path, *, max_events: int) -> Journal:
        """A journal on this disk: for `open_daemon(store=…)`."""
        return _JournalOnDisk(path, max_events=max_events, disk=self)

    def read(self) -> None:
        if self.fault == "unreadable":
            raise sqlite3.OperationalError(_WRITING[self.fault])

    def write(self) -> None:
        if self.fault is not None:
            raise sqlite3.OperationalError(_WRITING[self.fault])
        if self.slow_s:
            self._clock.sleep(self.slow_s)


def damage(path: Path) -> None:
    """Overwrite all pages of a database but the first, as a dying memory card does. Nobody may have it open."""
    first_page = path.read_bytes()[:4096]
    path.write_bytes(first_page + b"\xff" * max(4096, path.stat().st_size - 4096))


class _JournalOnDisk(Journal):
    def __init__(self, path: Path, *, max_events: int, disk: DiskFaults) -> None:
        super().__init__(path, max_events=max_events)
        self._disk = disk

    def _connect(self) -> sqlite3.Connection:
        self._disk.read()
        return super()._connect()

    def _rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        with self._explained():
            self._disk.read()
        return super()._rows(query, parameters)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            self._disk.write()
        with super()._transaction() as db:
            yield db
