"""Whether people may move the mechanism by hand just now: for a limited time, by a clock that cannot be set."""

from __future__ import annotations

import threading

from edge.domain import Clock


class Arming:
    """Safe to use from any thread. Nothing is armed after a start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until_s: float | None = None

    def arm(self, for_s: float) -> None:
        with self._lock:
            self._until_s = self._clock.monotonic_s() + for_s

    def disarm(self) -> None:
        with self._lock:
            self._until_s = None

    def left_s(self) -> float:
        """For how long yet; 0 when not armed."""
        with self._lock:
            return 0.0 if self._until_s is None else max(0.0, self._until_s - self._clock.monotonic_s())
