"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random

LASTING_S = 10.0
"""After a connection that held this long, the waiting starts anew."""


class Backoff:
    """Twice as long each time, from `first_s` to `longest_s`, and a fifth more or less: many bins that lost their
    broker in one instant must not return in one instant.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._wait_s = first_s

    def ended(self, after_s: float) -> None:
        """An attempt, and the connection it made, ended after so many seconds."""
        if after_s > LASTING_S:
            self._wait_s = self._first_s

    def next_s(self) -> float:
        """Seconds to wait now."""
        wait_s = self._wait_s * random.uniform(0.8, 1.2)
        self._wait_s = min(2 * self._wait_s, self._longest_s)
        return wait_s
