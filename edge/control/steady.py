"""A control socket that comes back: one that cannot be made, or that somebody deletes, stops nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from edge.control.server import ControlServer
from edge.domain import Clock
from edge.errors import ControlError, ControlSocketAway
from edge.faults import Faults

LOOK_S, RETRY_S = 10.0, 60.0
"""How often it is looked whether the socket is still there; and how often a new one is tried where it is not."""
REMEDY = "see that the disk under it is sound and may be written, or name another path: control.socket"


class SteadyControl:
    """A control server for the daemon's whole life. A context manager, and implements `edge.domain.Chore`.

    path: the socket. make: a server for it, not entered yet. Fault: `control_away`.

    Raises, when entered:
        ControlError: another daemon is running, or the path cannot be a socket's.
    """

    def __init__(self, path: Path, make: Callable[[], ControlServer], faults: Faults, clock: Clock) -> None:
        self._path, self._make = path, make
        self._faults, self._clock = faults, clock
        self._server: ControlServer | None = None
        self._due_s = -math.inf

    def __enter__(self) -> SteadyControl:
        try:
            self._open()
        except ControlSocketAway as error:
            self._tell(error)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.__exit__()
            self._server = None

    def tend(self) -> None:
        """Look whether the socket is there, when it is time to."""
        if self._clock.monotonic_s() < self._due_s:
            return
        self._due_s = self._clock.monotonic_s() + LOOK_S
        if self._server is not None and self._path.is_socket():
            return
        self.__exit__()
        try:
            self._open()
        except ControlError as error:  # even another daemon: this one has the pins, and sorts on
            self._tell(error)

    def _open(self) -> None:
        self._server = self._make().__enter__()
        self._due_s = self._clock.monotonic_s() + LOOK_S
        self._faults.clear("control_away")

    def _tell(self, error: ControlError) -> None:
        self._due_s = self._clock.monotonic_s() + RETRY_S
        self._faults.report("control_away", f"neither console nor ctl reach this bin: {error}", REMEDY)
