"""Tells of a disk on which commits take long: every item waits for two of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge.domain import Clock
from edge.faults import Faults

SLOW_S = 1.0
"""A commit that takes longer is slow. A memory card takes some hundredths of a second."""
QUICK = 6
"""So many in a row, three items' worth, must be quick until the disk is believed again."""
REMEDY = "replace the memory card or disk: this is how one begins to fail; see that nothing else keeps it busy"


class SlowDisk:
    """Fault: `journal_slow`. For one thread at a time."""

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self._faults, self._clock = faults, clock
        self._quick = 0

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Around a commit. One that fails says nothing of the disk's speed."""
        from_s = self._clock.monotonic_s()
        yield
        took_s = self._clock.monotonic_s() - from_s
        if took_s > SLOW_S:
            self._quick = 0
            self._faults.report("journal_slow", f"the disk took {took_s:.1f} s for a commit", REMEDY)
        else:
            self._quick += 1
            if self._quick >= QUICK:
                self._faults.clear("journal_slow")
