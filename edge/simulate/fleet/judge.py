"""What became of the events: delivered, lost, twice, and how late."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import numpy as np

RECORD = struct.Struct("<16sd?")
"""How a listener keeps what it heard: the event's id, CLOCK_MONOTONIC then, `historical`."""
PERCENTILES = (50, 90, 99, 100)


class Heard(NamedTuple):
    """An event that a subscriber was given."""

    event_id: UUID
    at_s: float
    historical: bool


@dataclass(frozen=True)
class Delivery:
    """finished: events of all bins. delivered: of those, known to a subscriber. unsent: neither that nor acknowledged
    by the broker: a bin still has them. lost: acknowledged, and never delivered. duplicates: messages beyond the
    first with the same id. live_ms, late_ms: p50, p90, p99 and the longest, from the end of the sorting to the
    subscriber: of events that went at once, and of those that waited for the broker; None where there are none.
    """

    finished: int
    delivered: int
    unsent: int
    lost: int
    duplicates: int
    late: int
    live_ms: tuple[float, ...] | None
    late_ms: tuple[float, ...] | None

    @property
    def complete(self) -> bool:
        return not self.lost and not self.unsent


def judge(finished: Mapping[UUID, float], heard: Iterable[Heard], in_outbox: Collection[UUID]) -> Delivery:
    """finished: event → when, on the clock of `heard`. What other bins than ours said does not count."""
    first: dict[UUID, Heard] = {}
    duplicates = 0
    for message in heard:
        if message.event_id not in finished:
            continue
        if message.event_id in first:
            duplicates += 1
        else:
            first[message.event_id] = message
    missing = finished.keys() - first.keys()
    unsent = len(missing & set(in_outbox))
    live: list[float] = []
    late: list[float] = []
    for event_id, message in first.items():
        (late if message.historical else live).append(1000 * (message.at_s - finished[event_id]))
    return Delivery(
        finished=len(finished),
        delivered=len(first),
        unsent=unsent,
        lost=len(missing) - unsent,
        duplicates=duplicates,
        late=len(late),
        live_ms=_percentiles(live),
        late_ms=_percentiles(late),
    )


def read_heard(path: Path) -> list[Heard]:
    """What a listener has kept so far."""
    kept = path.read_bytes()
    whole = kept[: len(kept) // RECORD.size * RECORD.size]
    return [Heard(UUID(bytes=event_id), at_s, late) for event_id, at_s, late in RECORD.iter_unpack(whole)]


def _percentiles(took_ms: list[float]) -> tuple[float, ...] | None:
    if not took_ms:
        return None
    return tuple(round(float(value), 2) for value in np.percentile(took_ms, PERCENTILES))
