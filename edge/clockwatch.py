"""Whether the wall clock can be believed: a machine without a clock chip starts in the past, and clocks are set.

What lasts is measured with the monotonic clock, which nobody sets. The wall clock gives the times that people read: of
events, of faults, of captures. It is watched against the monotonic one: what it runs ahead or behind at once, it was
set by.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from edge import config
from edge.domain import Clock
from edge.faults import Faults

JUMP_S = 2.0
"""A clock that differs by so much between two looks was set. One that is steered gains or loses far less."""
HESITATION_S = 0.1
"""Both clocks must be read within this; a program that was stopped in between asks again."""
UNSYNCED_S = 300.0
"""After a start, or without its network, a machine has so long to find the time before it is a fault."""
STANDS_S = 3600.0
"""How long a jump stands as a fault."""

UNSYNCED = "no time source sets this machine's clock: events carry clock_synced false, and their times may be wrong"
UNSYNCED_REMEDY = (
    "let the machine reach a time server (timedatectl timesync-status); where there is none, give it a clock chip with "
    "a battery and set clock.time_source: false"
)
JUMPED_REMEDY = (
    "nothing, if somebody set the clock or the machine was asleep; else look what sets it (timedatectl, a failing "
    "clock chip)"
)

logger = logging.getLogger(__name__)


class ClockWatch:
    """Implements `edge.domain.Chore`. Faults: `clock_unsynced`, `clock_jumped`."""

    def __init__(self, config: config.Clock, faults: Faults, clock: Clock) -> None:
        self._time_source = config.time_source
        self._faults, self._clock = faults, clock
        self._apart_s = self._read_apart_s()
        self._synced = clock.synced()
        self._synced_s = clock.monotonic_s()
        self._jumped_s: float | None = None

    @property
    def trusted(self) -> bool:
        """Whether something may be deleted because the wall clock says that it is old."""
        return self._jumped_s is None and (self._clock.synced() or not self._time_source)

    def tend(self) -> None:
        """Look at both clocks."""
        was_synced, self._synced = self._synced, self._clock.synced()
        self._look_for_a_jump(was_synced)
        now_s = self._clock.monotonic_s()
        if self._synced:
            self._synced_s = now_s
            self._faults.clear("clock_unsynced")
        elif self._time_source and now_s - self._synced_s >= UNSYNCED_S:
            self._faults.report("clock_unsynced", UNSYNCED, UNSYNCED_REMEDY)
        if self._jumped_s is not None and now_s - self._jumped_s >= STANDS_S:
            self._jumped_s = None
            self._faults.clear("clock_jumped")

    def _look_for_a_jump(self, was_synced: bool) -> None:
        apart_s = self._read_apart_s()
        if apart_s is None or self._apart_s is None:
            self._apart_s = self._apart_s if apart_s is None else apart_s
            return
        by_s, self._apart_s = apart_s - self._apart_s, apart_s
        if abs(by_s) < JUMP_S:
            return
        by = timedelta(seconds=by_s)
        self._faults.clock_set(by)
        message = (
            f"the clock was set {timedelta(seconds=round(abs(by_s)))} {'forward' if by_s > 0 else 'back'} to "
            f"{self._clock.utc():%Y-%m-%d %H:%M:%S} UTC; what was dated before is off by as much"
        )
        if not was_synced and self._time_source:
            logger.warning("%s; it was not synchronised before", message)  # what clock_unsynced waits for: no fault
            return
        self._jumped_s = self._clock.monotonic_s()
        self._faults.report("clock_jumped", message, JUMPED_REMEDY)

    def _read_apart_s(self) -> float | None:
        """Wall clock less monotonic clock; None when they could not be read at one moment."""
        before_s = self._clock.monotonic_s()
        wall_s = self._clock.utc().timestamp()
        return wall_s - before_s if self._clock.monotonic_s() - before_s <= HESITATION_S else None
