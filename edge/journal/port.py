"""What the sorter, the publisher and the daemon ask of a journal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from edge.domain import Purity, SortEvent
from edge.payloads import EventPayload


class EventJournal(Protocol):
    """Keeps events until the broker has them. `Journal` has the promises of each method; it may fail, and
    `SteadyJournal` may not. Safe to use from any thread."""

    def next_seq(self) -> int: ...

    def record(self, event: SortEvent) -> None: ...

    def complete(self, event: SortEvent) -> None: ...

    def mark_backlog(self) -> None: ...

    def outbox(self, limit: int, *, live: bool, skip: Collection[UUID] = ()) -> list[EventPayload]: ...

    def acknowledge(self, *event_ids: UUID) -> None: ...

    def depth(self) -> int: ...

    def counts(self) -> dict[str, int]: ...

    def purity(self) -> dict[str, Purity]: ...

    def newest(self, n: int) -> list[EventPayload]: ...

    @property
    def dropped(self) -> int: ...
