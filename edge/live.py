"""What the daemon sees and has just decided, for whoever asks over the control socket."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, Frame, Observation, RgbImage, SortEvent


@dataclass(frozen=True, eq=False)
class LastItem:
    """The newest item. crop: the pixels classified, cut at box. evidence: (h, w), its label's class map."""

    event: SortEvent
    crop: RgbImage
    box: Box
    evidence: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A consistent picture of the daemon at one moment."""

    phase: str = "starting"
    frame: Frame | None = None
    observation: Observation | None = None
    last: LastItem | None = None


class Live:
    """Holds the newest snapshot. The loop writes it, any thread reads it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self.on_phase: Callable[[], None] = lambda: None
        """Called after the phase has changed, on the thread that changed it."""
        self.on_look: Callable[[], None] = lambda: None
        """Called after a frame was looked at, on the thread that did."""

    def update(self, **changes: object) -> None:
        """Replace some of the snapshot's fields."""
        with self._lock:
            before = self._snapshot.phase
            self._snapshot = replace(self._snapshot, **changes)  # type: ignore[arg-type]
            turned = self._snapshot.phase != before
        if turned:
            self.on_phase()
        if "frame" in changes:
            self.on_look()

    def snapshot(self) -> Snapshot:
        with self._lock:
            return self._snapshot
