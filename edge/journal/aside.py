"""A damaged database: set aside under another name, so that a new one can take its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

KEPT = 2
"""So many damaged journals are kept, the newest; a disk that damages file after file must not be filled with them."""


class Numbers(NamedTuple):
    """What a new journal goes on from. counts: compartment → items confirmed."""

    last_seq: int
    counts: dict[str, int]


def set_aside(path: Path, now: datetime) -> Path:
    """Rename the database and what belongs to it; returns its new path.

    Raises:
        OSError: the folder cannot be written.
    """
    name = f"{path.stem}-damaged-{now:%Y%m%dT%H%M%S.%f}{path.suffix}"
    aside = path.with_name(name)
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(name + suffix))
    # The newest is this one, whatever its name says: the clock may have been set back since the others.
    others = set(path.parent.glob(f"{path.stem}-damaged-*{path.suffix}")) - {aside}
    for old in sorted(others)[: 1 - KEPT]:
        for suffix in ("", "-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    return aside


def numbers_of(path: Path) -> Numbers:
    """What can still be read of a damaged database; zero and nothing for the rest."""
    last_seq, counts = 0, dict[str, int]()
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as db:
        with suppress(sqlite3.Error):
            last_seq = int(db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
        with suppress(sqlite3.Error):
            counts = dict(db.execute("SELECT compartment, confirmed FROM counts"))
    return Numbers(last_seq, counts)
