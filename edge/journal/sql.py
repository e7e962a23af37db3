"""The journal's tables, and the statements that more than one of its methods uses."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from uuid import UUID

from edge.domain import Outcome, Purity, SortEvent
from edge.errors import DamagedJournal, JournalError
from edge.payloads import event_payload

JOURNAL_VERSION = 1
"""Version of the tables below, kept in SQLite's user_version."""

TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE events (
    seq          INTEGER PRIMARY KEY,
    event_id     TEXT NOT NULL UNIQUE,
    payload      TEXT NOT NULL,              -- EventPayload as JSON
    finished     INTEGER,                    -- 1, 2, 3 … in the order of completion; NULL while PENDING
    acknowledged INTEGER NOT NULL DEFAULT 0  -- 1: the broker has it
);
CREATE UNIQUE INDEX by_completion ON events (finished) WHERE finished IS NOT NULL;
CREATE INDEX outbox ON events (finished) WHERE acknowledged = 0 AND finished IS NOT NULL;
CREATE INDEX pending ON events (seq) WHERE finished IS NULL;
CREATE INDEX acknowledged ON events (seq) WHERE acknowledged = 1;
CREATE TABLE counts (compartment TEXT PRIMARY KEY, confirmed INTEGER NOT NULL);
CREATE TABLE totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO totals VALUES ('dropped', 0);
PRAGMA user_version = {JOURNAL_VERSION};
COMMIT;
"""

JUDGED, RIGHT_PPM = "judged/", "right_ppm/"
"""Before a compartment's name, in `totals`: items confirmed in it, and millionths of them expected to be right."""

NEXT_FINISHED = "(SELECT coalesce(max(finished), 0) + 1 FROM events WHERE finished IS NOT NULL)"
NOT_IN = "event_id NOT IN (SELECT value FROM json_each(?))"
"""Takes `ids(…)`: as many as there are, in one parameter."""


def explain(path: Path, error: sqlite3.Error) -> JournalError:
    problem = str(error)
    if "not a database" in problem or "malformed" in problem:
        return DamagedJournal(f"{path}: {problem}; it is damaged or something else")
    if "full" in problem:
        remedy = "make room on its disk"
    elif "locked" in problem:
        remedy = "another program holds it; two daemons must not share a state_dir"
    else:
        remedy = "its folder must be writable and its disk sound"
    return JournalError(f"{path}: {problem}; {remedy}")


def ids(event_ids: Collection[UUID]) -> str:
    return json.dumps([str(event_id) for event_id in event_ids])


def finish(db: sqlite3.Connection, event: SortEvent) -> bool:
    """Write the outcome and count it; False when there is no such event that is PENDING."""
    changed = db.execute(
        f"UPDATE events SET payload = ?, finished = {NEXT_FINISHED} WHERE event_id = ? AND finished IS NULL",
        (event_payload(event).to_json(), str(event.event_id)),
    ).rowcount
    if changed and event.outcome is Outcome.CONFIRMED:
        compartment = event.decision.compartment
        db.execute(
            "INSERT INTO counts VALUES (?, 1) ON CONFLICT (compartment) DO UPDATE SET confirmed = confirmed + 1",
            (compartment,),
        )
        if event.decision.p_right is not None:
            add(db, f"{JUDGED}{compartment}", 1)
            add(db, f"{RIGHT_PPM}{compartment}", round(1e6 * event.decision.p_right))
    return changed == 1


def purities(rows: Iterable[tuple[str, int]]) -> dict[str, Purity]:
    """Compartment → its purity, from the rows of `totals`."""
    totals = dict(rows)
    judged = {name.removeprefix(JUDGED): items for name, items in totals.items() if name.startswith(JUDGED)}
    return {name: Purity(items, totals[f"{RIGHT_PPM}{name}"] / 1e6) for name, items in judged.items() if items}


def acknowledge(db: sqlite3.Connection, event_ids: Collection[UUID]) -> None:
    db.executemany(
        "UPDATE events SET acknowledged = 1 WHERE event_id = ? AND finished IS NOT NULL",
        [(str(event_id),) for event_id in event_ids],
    )


def add(db: sqlite3.Connection, total: str, n: int) -> None:
    db.execute(
        "INSERT INTO totals VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value", (total, n)
    )
