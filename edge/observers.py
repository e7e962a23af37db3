"""Gives each finished item to whoever wants to keep or show it, beside the sorting and never in its way.

Each observer has a thread of its own and a short queue: one that is slow or fails misses items, and the sorter does not
notice. That an observer is behind or fails is a fault.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from edge.actuators.guard import Safety
from edge.decide import Policy
from edge.domain import Box, Frame, Prediction, RgbImage, SortEvent
from edge.faults import Faults

WAITING = 4
"""So many pieces of work may wait for one observer. Each holds an item's frames in memory."""
CLOSE_S = 5.0
"""How long a closing observer may take for what waits."""
REMEDY = "see what the message says; a full or failing disk is the usual reason"

logger = logging.getLogger(__name__)


class Look(NamedTuple):
    """One frame of a still item. box: the item. crop: with its margin, what is classified.

    capture_s: seconds spent waiting for the camera.
    """

    frame: Frame
    box: Box
    crop: Box
    capture_s: float

    @property
    def pixels(self) -> RgbImage:
        """(H, W, 3): the crop, a view of the frame."""
        return self.crop.cut(self.frame.rgb)


@dataclass(frozen=True, eq=False)
class SortedItem:
    """One finished item and all that its decision was made from. It refers to the frames and copies nothing.

    policy, safety: by which it was decided, and what the sensors said then.
    """

    event: SortEvent
    looks: tuple[Look, ...]
    prediction: Prediction
    policy: Policy
    safety: Safety


class Observer:
    """Does its work in order, on a thread of its own."""

    def __init__(self, name: str, take: Callable[[SortedItem], None]) -> None:
        self.name = name
        self._behind = False
        self._failed: str | None = None
        self._take = take
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the newest item was not taken, or the newest work not done; None when all went well."""
        return f"{WAITING} pieces of work wait for it already" if self._behind else self._failed

    def offer(self, item: SortedItem) -> None:
        """Hand over an item. Never blocks, never fails."""
        self.submit(lambda: self._take(item))

    def submit(self, work: Callable[[], None]) -> bool:
        """Have something done after what waits already; False when too much does. Never blocks, never fails."""
        try:
            self._waiting.put_nowait(work)
        except queue.Full:
            self._behind = True
            logger.warning("%s: %s", self.name, self.trouble)
        else:
            self._behind = False
        return not self._behind

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that was handed over is done; False when it is not in time."""
        with self._waiting.all_tasks_done:
            return self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, timeout_s)

    def close(self) -> None:
        """Do what waits, within a time limit."""
        try:
            self._waiting.put(None, timeout=CLOSE_S)
        except queue.Full:
            logger.warning("%s: hangs; left behind", self.name)
            return
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while self._do(self._waiting.get()):
            pass

    def _do(self, work: Callable[[], None] | None) -> bool:
        """One piece of work, of which nothing is held afterwards: an item's frames are large. False at the end."""
        try:
            if work is not None:
                work()
                self._failed = None
        except Exception as error:
            self._failed = str(error) or type(error).__name__
            logger.exception("%s", self.name)
        finally:
            self._waiting.task_done()
        return work is not None


class Observers:
    """All observers of one bin. A context manager, and a chore that tells which of them fail."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._observers: list[Observer] = []

    def __enter__(self) -> Observers:
        return self

    def __exit__(self, *exc: object) -> None:
        while self._observers:
            self._observers.pop().close()

    def add(self, name: str, take: Callable[[SortedItem], None]) -> Observer:
        """From now on `take` is called with each item, on its own thread."""
        self._observers.append(Observer(name, take))
        return self._observers[-1]

    def offer(self, item: SortedItem) -> None:
        """Hand an item to all of them. Never blocks, never fails."""
        for observer in self._observers:
            observer.offer(item)

    def tend(self) -> None:
        failing = [f"{observer.name}: {observer.trouble}" for observer in self._observers if observer.trouble]
        if failing:
            self._faults.report("observer_failed", "; ".join(failing), REMEDY)
        else:
            self._faults.clear("observer_failed")
