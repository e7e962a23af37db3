"""Whether the bin gets on: fresh frames, a loop that turns, an engine that answers, an outbox that drains.

What is asked is not whether something is wrong, but whether a restart of the program could help. A part that worked in
this run and then stopped may have been wedged by this process: worth a restart. One that has not worked since the start
was just given one: the bin stays up, and its fault says so. A broker that is known to be down needs no restart either.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.domain import Clock
from edge.errors import JournalError
from edge.faults import Faults
from edge.live import Live

BROKER_DOWN = frozenset(
    {"broker_unreachable", "broker_refused", "broker_untrusted", "publish_refused", "journal_failed"}
)
"""The faults that say why an outbox does not drain, while what waits in it is kept."""


class Health:
    """Knows what each part did last. For the loop's thread.

    away: why the engine gives no answer, or None. depth: events that the broker does not have. limit_s: how long a part
    may stand still.
    """

    def __init__(
        self,
        live: Live,
        faults: Faults,
        clock: Clock,
        *,
        away: Callable[[], str | None],
        depth: Callable[[], int],
        limit_s: float,
    ) -> None:
        self._live, self._faults, self._clock, self._limit_s = live, faults, clock, limit_s
        self._away, self._depth = away, depth
        self._turned_s = self._drained_s = clock.monotonic_s()
        self._answered_s: float | None = None
        self._waiting = 0

    def turned(self) -> None:
        """The loop has come round."""
        self._turned_s = self._clock.monotonic_s()

    def stuck(self) -> tuple[str, ...]:
        """What has stood still for too long and may be helped by a restart, in words; empty when all get on."""
        now_s = self._clock.monotonic_s()
        since = {
            "the loop has not turned": self._turned_s,
            "the camera has given no frame": self._seen_s(now_s),
            "the engine has given no answer": self._engine_s(now_s),
            "the outbox has not drained, though the broker is not known to be down": self._outbox_s(now_s),
        }
        return tuple(f"{what} for {now_s - at_s:.0f} s" for what, at_s in since.items() if now_s - at_s > self._limit_s)

    def _seen_s(self, now_s: float) -> float:
        frame = self._live.snapshot().frame
        return now_s if frame is None else frame.captured_s

    def _engine_s(self, now_s: float) -> float:
        if self._away() is None:
            self._answered_s = now_s
        return now_s if self._answered_s is None else self._answered_s

    def _outbox_s(self, now_s: float) -> float:
        try:
            waiting = self._depth()
        except JournalError:
            waiting = 0  # a fault of its own, which no restart mends
        known_down = any(fault.code in BROKER_DOWN for fault in self._faults.standing())
        if waiting == 0 or waiting < self._waiting or known_down:
            self._drained_s = now_s
        self._waiting = waiting
        return self._drained_s
