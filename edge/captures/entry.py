"""What is kept in memory of each capture, so that a list or a figure of them needs no disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from edge.captures.capture import Capture


@dataclass(frozen=True)
class CaptureFilter:
    """Which captures are asked for; None: any.

    label: a person's word, else the network's. p: of the network's best label. What ends a range is not in it.
    version: of the model that named it. before_seq: for the next page, the number of the last item on this one.
    """

    label: str | None = None
    compartment: str | None = None
    reason: str | None = None
    outcome: str | None = None
    corrected: bool | None = None
    sampled: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    p_from: float | None = None
    p_below: float | None = None
    version: str | None = None
    before_seq: int | None = None


class Entry(NamedTuple):
    """What is kept in memory of a capture. said: the network's label. label: a person's word, else that.

    disputed: a model on trial would have done otherwise.
    """

    seq: int
    event_id: UUID
    size_bytes: int
    ts: datetime
    clock_synced: bool
    label: str
    said: str
    version: str
    p: float
    novelty: float
    accepted: bool
    compartment: str
    reason: str
    outcome: str
    corrected: bool
    sampled: bool
    disputed: bool

    @property
    def name(self) -> str:
        return f"{self.seq:010d}-{self.event_id}.jpg"

    def fits(self, wanted: CaptureFilter) -> bool:
        same = ("label", "compartment", "reason", "outcome", "corrected", "sampled", "version")
        return (
            all(getattr(wanted, name) in (None, getattr(self, name)) for name in same)
            and (wanted.since is None or self.ts >= wanted.since)
            and (wanted.until is None or self.ts < wanted.until)
            and (wanted.p_from is None or self.p >= wanted.p_from)
            and (wanted.p_below is None or self.p < wanted.p_below)
            and (wanted.before_seq is None or self.seq < wanted.before_seq)
        )


def entry_of(capture: Capture, size_bytes: int) -> Entry:
    event = capture.event
    return Entry(
        seq=event.seq,
        event_id=event.event_id,
        size_bytes=size_bytes,
        ts=event.ts,
        clock_synced=event.clock_synced,
        label=capture.label,
        said=event.decision.label,
        version=event.model.version,
        p=event.top3[0].p,
        novelty=event.novelty,
        accepted=event.decision.accepted,
        compartment=event.decision.compartment,
        reason=event.decision.reason,
        outcome=event.actuation.outcome,
        corrected=capture.correction is not None,
        sampled=capture.sampled,
        disputed=capture.other is not None,
    )
