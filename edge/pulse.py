"""The watchdog's pulse: systemd is pinged only while the bin gets on, and told in words how it is.

The loop beats after every cycle, and with every frame it looks at, so that a long movement does not look like a stop.
What stands still for three quarters of the watchdog's time ends the pings and is told as the fault `no_progress`; then
systemd ends the program and starts it again.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.domain import Clock
from edge.faults import Faults
from edge.health import Health
from edge.notify import Notifier

UNWATCHED_S = 60.0
"""Stands for the watchdog's time where there is none: `no_progress` is told all the same."""
STANDSTILL = 0.75
PINGS = 6
"""In the watchdog's time."""

RESTARTED = "systemd restarts the program; if it comes back, see the other faults and the log (journalctl -u smartbin)"
UNWATCHED = "restart the program; as a service it is restarted by itself (docs/systemd.md)"


def standstill_s(notifier: Notifier) -> float:
    """How long a part of the bin may stand still."""
    return STANDSTILL * (notifier.watchdog_s or UNWATCHED_S)


class Pulse:
    """Implements `edge.domain.Chore`. status: gives a line for people."""

    def __init__(
        self, notifier: Notifier, health: Health, faults: Faults, clock: Clock, status: Callable[[], str]
    ) -> None:
        self._notifier, self._health, self._faults, self._clock = notifier, health, faults, clock
        self._status = status
        self._every_s = (notifier.watchdog_s or UNWATCHED_S) / PINGS
        self._beat_s: float | None = None

    def ready(self) -> None:
        """All is open, and the engine was held against the golden set."""
        self._notifier.send("READY=1", f"STATUS={self._status()}")

    def tend(self) -> None:
        """The loop has turned."""
        self._health.turned()
        self.beat()

    def beat(self) -> None:
        """Ping when it is time and the bin gets on."""
        now_s = self._clock.monotonic_s()
        if self._beat_s is not None and now_s - self._beat_s < self._every_s:
            return
        self._beat_s = now_s
        stuck = self._health.stuck()
        if stuck:
            remedy = UNWATCHED if self._notifier.watchdog_s is None else RESTARTED
            self._faults.report("no_progress", "; ".join(stuck), remedy)
            self._notifier.send(f"STATUS=stuck: {'; '.join(stuck)}")
        else:
            self._faults.clear("no_progress")
            self._notifier.send("WATCHDOG=1", f"STATUS={self._status()}")

    def stopping(self) -> None:
        """The program ends in order."""
        self._notifier.send("STOPPING=1", "STATUS=stopping")
