"""Once a night, between two items, the running engine must reproduce the golden set again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from edge.domain import Clock
from edge.errors import EngineAway
from edge.live import Live

AT_LEAST_EVERY_S = 36 * 3600.0
"""A bin whose clock is wrong, or that is never idle in the night, is checked all the same."""


@runtime_checkable
class Checkable(Protocol):
    """An engine that can be held against the golden set."""

    def check(self) -> bool: ...

    def settle(self) -> None: ...


class EngineCheck:
    """Implements `edge.domain.Chore`. hour: local time, from which a new day's check is due."""

    def __init__(self, engine: Checkable, live: Live, clock: Clock, *, hour: int) -> None:
        self._engine, self._live, self._clock, self._hour = engine, live, clock, hour
        self._checked_s = clock.monotonic_s()  # it was, when it was opened
        self._night = self._night_of(clock.utc())

    def tend(self) -> None:
        """Check when it is due and the tray is empty."""
        self._engine.settle()
        if self._live.snapshot().phase != "waiting" or not self._due():
            return
        try:
            self._engine.check()
        except EngineAway:
            return  # it is held against the golden set before it answers again
        self._checked_s, self._night = self._clock.monotonic_s(), self._night_of(self._clock.utc())

    def _due(self) -> bool:
        overdue = self._clock.monotonic_s() - self._checked_s > AT_LEAST_EVERY_S
        return overdue or (self._clock.synced() and self._night_of(self._clock.utc()) != self._night)

    def _night_of(self, utc: datetime) -> str:
        """The date, local, on which the night of this moment began: it changes at `hour`."""
        return (utc.astimezone() - timedelta(hours=self._hour)).date().isoformat()
