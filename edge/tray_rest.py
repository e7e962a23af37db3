"""A tray that never comes to rest: nothing is sorted, and nothing else would say why."""

from __future__ import annotations

from collections.abc import Callable

from edge.domain import TrayState
from edge.faults import Faults
from edge.live import Live

REMEDY = (
    "look at the live view: something that moves, a lamp that flickers, a camera that gives broken pictures; "
    "keep presence.region to the tray"
)
LONGEST_STEP_S = 1.0
"""What a time between two frames counts at most."""


class TrayRest:
    """A chore. limit_s: how long the tray may be in motion. idle: whether people work at the bin."""

    def __init__(self, live: Live, faults: Faults, *, limit_s: float, idle: Callable[[], bool]) -> None:
        self._live = live
        self._faults = faults
        self._limit_s = limit_s
        self._idle = idle
        self._restless_s = 0.0  # since the tray was last at rest; times without fit frames do not count
        self._counted_s = 0.0  # until when

    def tend(self) -> None:
        seen = self._live.snapshot()
        if seen.frame is None or seen.observation is None:
            return  # not known; where that lasts, the camera's own faults say why
        step_s, self._counted_s = seen.frame.captured_s - self._counted_s, seen.frame.captured_s
        if self._idle() or seen.observation.state not in (TrayState.MOTION, TrayState.SETTLING):
            self._restless_s = 0.0
            self._faults.clear("tray_restless")
            return
        self._restless_s += min(step_s, LONGEST_STEP_S)
        if self._restless_s >= self._limit_s:
            what = f"the tray has been in motion for {self._limit_s:g} s and more, neither empty nor with a still item"
            self._faults.report("tray_restless", what, REMEDY)
