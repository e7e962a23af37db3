"""The newest telemetry, kept in memory for people who look on; nothing of it is on disk."""

from __future__ import annotations

import threading
from collections import deque

from edge.payloads import TelemetryPayload

KEPT = 1_440
"""A day, at one a minute."""
SHOWN = 180


class Trend:
    """Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[TelemetryPayload] = deque(maxlen=KEPT)

    def add(self, sample: TelemetryPayload) -> None:
        with self._lock:
            self._samples.append(sample)

    def samples(self) -> list[TelemetryPayload]:
        """At most `SHOWN` of them, evenly over the time, oldest first; the newest is always there."""
        with self._lock:
            kept = list(self._samples)
        step = -(-len(kept) // SHOWN) or 1
        return kept[::-1][::step][::-1]
