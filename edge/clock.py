"""Time: the machine's, and one that tests move by hand."""

from __future__ import annotations

import ctypes
import sys
import time
from datetime import datetime, timedelta, timezone

from edge.domain import Clock

_TIME_ERROR = 5  # adjtimex: clock not synchronised


class SystemClock:
    """The machine's clock."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(timezone.utc)

    def synced(self) -> bool:
        """Whether the kernel says that a time source (NTP, PTP) steers the clock; see adjtimex(2)."""
        if not sys.platform.startswith("linux"):
            return False
        timex = ctypes.create_string_buffer(256)  # struct timex, modes = 0: only ask
        return bool(ctypes.CDLL(None, use_errno=True).adjtimex(timex) not in (-1, _TIME_ERROR))

    def sleep(self, duration_s: float) -> None:
        time.sleep(max(0.0, duration_s))


class ManualClock:
    """Time that moves only when told to, or when somebody sleeps on it. For tests and replays; no thread ever waits."""

    def __init__(self, utc: datetime = datetime(2026, 1, 1, tzinfo=timezone.utc)) -> None:
        self._start = utc
        self._elapsed_s = 0.0
        self.steered = True
        """What `synced` says."""

    def monotonic_s(self) -> float:
        return self._elapsed_s

    def utc(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def synced(self) -> bool:
        return self.steered

    def sleep(self, duration_s: float) -> None:
        self.advance(max(0.0, duration_s))

    def advance(self, duration_s: float) -> None:
        if duration_s < 0:
            raise ValueError(f"time does not go back (asked for {duration_s} s)")
        self._elapsed_s += duration_s

    def set_wall_clock(self, by_s: float) -> None:
        """Somebody sets the wall clock forward, or back where `by_s` is negative."""
        self._start += timedelta(seconds=by_s)


class Stopwatch:
    """How long each stage took. `capture`, seconds, was measured by the caller."""

    def __init__(self, clock: Clock, *, capture: float) -> None:
        self._clock = clock
        self._took_s = {"capture": capture}
        self.restart()

    def restart(self) -> None:
        """What happened since the last lap belongs to no stage."""
        self._from_s = self._clock.monotonic_s()

    def lap(self, stage: str) -> None:
        """A stage has ended; the next begins."""
        self._took_s[stage] = self._clock.monotonic_s() - self._from_s
        self.restart()

    def ms(self) -> dict[str, float]:
        """Stage → milliseconds."""
        return {stage: 1000 * took_s for stage, took_s in self._took_s.items()}
