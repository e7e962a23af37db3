"""A restart that a technician asks for: the program ends in order, and systemd starts it again.

Only where there is a systemd that does; only when the next start would not fail over config or model; and only from
the loop's own thread, between two cycles, when no item is on its way and nothing moves. The mechanism is neutral then,
as after every movement, and is put neutral once more at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge.daemon import Daemon
from edge.errors import CommandError

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h, "try again": with it `python -m edge run` ends, for systemd to start it again."""
ANSWER_S = 0.5
"""Whoever asked has the answer before the program ends."""
PATIENCE_S = 60.0
"""A tray that is not done with by then ends the request, not the item."""

BY_HAND = "the bin was started by hand, and nothing would start it again; end it with Ctrl-C there, and start it again"

_log = logging.getLogger(__name__)


class Restart:
    """Implements `edge.domain.Chore`. Ask from any thread.

    service: whether systemd starts the program again. check: raises SmartbinError for what would end the next start.
    check_free: raises SmartbinError while something goes on that must not be cut short.
    """

    def __init__(
        self, daemon: Daemon, *, service: bool, check: Callable[[], object], check_free: Callable[[], None]
    ) -> None:
        self._daemon, self._service = daemon, service
        self._check, self._check_free = check, check_free
        self._asked_s: float | None = None

    @property
    def impossible(self) -> str | None:
        """Why this bin cannot be restarted from afar, however often it is asked; None: it can."""
        return None if self._service else BY_HAND

    def ask(self) -> None:
        """End the program as soon as nothing is on its way.

        Raises:
            CommandError: nothing would start it again, or a person must acknowledge first.
            UpdateError, ConfigError, BundleError, JournalError: see check and check_free.
        """
        if self.impossible is not None:
            raise CommandError(self.impossible)
        if (latched := self._daemon.guard.latched) is not None:
            raise CommandError(f"look at the mechanism and acknowledge first: {latched}")
        self._check_free()
        self._check()
        self._asked_s = self._daemon.clock.monotonic_s()

    def tend(self) -> None:
        """The loop has turned: end it, if that was asked for and nothing is on its way."""
        if self._asked_s is None:
            return
        waited_s = self._daemon.clock.monotonic_s() - self._asked_s
        if self._daemon.guard.latched is not None or waited_s > PATIENCE_S:
            _log.warning("not restarted: the mechanism must be acknowledged, or an item is not done with")
            self._asked_s = None
        elif waited_s >= ANSWER_S and self._at_rest():
            self._asked_s = None
            self._daemon.end_for_restart()

    def _at_rest(self) -> bool:
        phase = self._daemon.live.snapshot().phase
        return phase not in ("looking", "sorting") and not self._daemon.guard.moving
