"""The newest lines of the program's log, kept in memory for the diagnose bundle; systemd's journal has all of them."""

from __future__ import annotations

import logging
from collections import deque

from edge.scrub import ScrubbingFormatter

LINES = 1_000


class RecentLog(logging.Handler):
    """Keeps the newest `LINES` lines, without secrets."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(ScrubbingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque(maxlen=LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def text(self) -> str:
        return "".join(f"{line}\n" for line in tuple(self._lines))


RECENT = RecentLog()
"""The program's own."""


def set_up_logging() -> None:
    """Warnings and worse on stderr, more of it in `RECENT`; secrets in neither."""
    shown = logging.StreamHandler()
    shown.setLevel(logging.WARNING)
    shown.setFormatter(ScrubbingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[shown, RECENT])
    logging.getLogger("edge").setLevel(logging.INFO)
