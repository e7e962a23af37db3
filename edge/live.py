"""What the daemon sees and has just decided, for whoever asks over the control socket."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, Frame, Observation, SortEvent
from edge.domain import RgbImage


@dataclass(frozen=True, eq=False)
class LastItem:
    """The newest item. crop: the pixels that were classified. evidence: (h, w) float32, the top label's class map."""

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

    def update(self, **changes: object) -> None:
        """Replace some of the snapshot's fields."""
        with self._lock:
            self._snapshot = replace(self._snapshot, **changes)  # type: ignore[arg-type]

    def snapshot(self) -> Snapshot:
        with self._lock:
            return self._snapshot
