"""How often something may happen."""

from __future__ import annotations

from edge.domain import Clock


class RateLimit:
    """A bucket of tokens: `burst` at once, then `per_s` a second. For one thread."""

    def __init__(self, clock: Clock, *, burst: int, per_s: float) -> None:
        self._clock, self._burst, self._per_s = clock, float(burst), per_s
        self._left, self._at_s = self._burst, clock.monotonic_s()

    def allows(self) -> bool:
        """Whether it may happen now; if so, it counts."""
        now_s = self._clock.monotonic_s()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
