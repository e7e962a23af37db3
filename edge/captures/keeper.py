"""Chooses the items whose picture is kept, and keeps it: beside the sorting, on a thread of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from edge.captures.capture import Capture, Other
from edge.captures.picture import tray_picture
from edge.captures.store import CaptureStore
from edge.config import Config
from edge.domain import Clock
from edge.errors import CaptureMissing
from edge.faults import Faults
from edge.jpeg import jpeg_of
from edge.observers import Observers, SortedItem
from edge.payloads import event_payload

UPKEEP_S = 3600.0
"""How often what is too old is deleted."""
RETRY_S = 60.0
"""How often a disk that takes no pictures is tried."""
REMEDY = "make room on the disk of state_dir, or lower captures.budget_mb; see that it is sound and may be written"


class CaptureKeeper:
    """Implements `edge.domain.Chore`. Fault: `captures_failed`.

    dates_hold: whether the wall clock may decide that something is too old.
    """

    def __init__(
        self,
        config: Config,
        store: CaptureStore,
        observers: Observers,
        faults: Faults,
        clock: Clock,
        dates_hold: Callable[[], bool],
    ) -> None:
        self._config, self._store = config, store
        self._faults, self._clock, self._dates_hold = faults, clock, dates_hold
        self._opened = self._failing = False
        self._upkeep_s = -math.inf
        self._observer = observers.add("captures", self._take)

    def tend(self) -> None:
        """Have done what is due."""
        now_s = self._clock.monotonic_s()
        if now_s - self._upkeep_s >= (RETRY_S if self._failing else UPKEEP_S) and self._observer.submit(self._upkeep):
            self._upkeep_s = now_s

    def dispute(self, item: SortedItem, other: Other) -> None:
        """A model on trial would have done otherwise: keep the item, whatever was decided. Safe from any thread."""
        if self._config.captures.enabled:
            self._observer.submit(lambda: self._keep(item, other))

    # What follows runs on the observer's thread.

    def _take(self, item: SortedItem) -> None:
        wanted = self._config.captures
        if wanted.enabled and (self._sampled(item) or item.event.decision.reason in wanted.reasons):
            self._keep(item)

    def _sampled(self, item: SortedItem) -> bool:
        return in_sample(item.event.event_id, self._config.captures.sample_share)

    def _keep(self, item: SortedItem, other: Other | None = None) -> None:
        def work() -> None:
            if other is not None:
                with suppress(CaptureMissing):  # it was not kept until now
                    self._store.dispute(item.event.event_id, other)
                    return
            wanted = self._config.captures
            picture, box = tray_picture(item.looks[-1], self._config.presence.region, wanted.side_px)
            capture = Capture(event=event_payload(item.event), sampled=self._sampled(item), box=box, other=other)
            self._store.add(capture, jpeg_of(picture, wanted.quality))

        self._try(work)

    def _upkeep(self) -> None:
        def work() -> None:
            if self._dates_hold():
                before = self._clock.utc() - timedelta(days=self._config.captures.retention_days)
                self._store.expire(before, every_date=not self._config.clock.time_source)
            if self._config.captures.enabled:
                self._store.check_room()

        self._try(work)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            if not self._opened:
                self._store.open()
                self._opened = True
            work()
        except OSError as error:
            self._opened, self._failing = False, True  # it may be another disk when it is back
            message = error.strerror or str(error)
            self._faults.report("captures_failed", f"no picture is kept: {message}", REMEDY)
        else:
            self._failing = False
            self._faults.clear("captures_failed")


def in_sample(event_id: UUID, share: float) -> bool:
    """Whether an item is of the random sample: its id is random already, and says the same whoever asks."""
    return event_id.int / 2**128 < share
