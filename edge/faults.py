"""What is wrong right now, by name. Every part reports here; `state` and the console show it.

edge/fault_table.py lists the codes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge.domain import Clock
from edge.fault_table import BY_CODE
from edge.scrub import scrub


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. since: UTC. remedy: what a person does."""

    code: str
    since: datetime
    message: str
    remedy: str


class Faults:
    """The faults that stand. Safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._standing: dict[str, Fault] = {}

    def report(self, code: str, message: str, remedy: str) -> None:
        """A fault stands. A newer message replaces the old one; `since` stays that of the first report.

        Raises:
            ValueError: no such code.
        """
        _known(code)
        with self._lock:
            old = self._standing.get(code)
            since = old.since if old else self._clock.utc()
            self._standing[code] = Fault(code, since, scrub(message), scrub(remedy))

    def clear(self, code: str) -> None:
        """A fault is over. Harmless when it does not stand. Raises as `report` does."""
        _known(code)
        with self._lock:
            self._standing.pop(code, None)

    def clock_set(self, by: timedelta) -> None:
        """The wall clock was set: what stands keeps its age."""
        with self._lock:
            self._standing = {code: replace(fault, since=fault.since + by) for code, fault in self._standing.items()}

    def standing(self) -> tuple[Fault, ...]:
        """All faults, oldest first."""
        with self._lock:
            return tuple(sorted(self._standing.values(), key=lambda fault: (fault.since, fault.code)))


def _known(code: str) -> None:
    if code not in BY_CODE:
        raise ValueError(f"no fault {code!r}; add it to edge/fault_table.py and docs/faults.md")
