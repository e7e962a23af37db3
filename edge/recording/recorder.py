"""Keeps the newest items in memory and writes them out when they are needed: a fault, a stop, a person who asks.

Pictures would wear out a memory card; a fault is rare. So an item costs the disk nothing until something goes wrong.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from edge import __version__
from edge.config import Config, Sorting
from edge.config import Recorder as Limits
from edge.disk import check_room, free_bytes
from edge.domain import Clock
from edge.errors import RecordingError
from edge.fault_table import ACKNOWLEDGED, STOPPING
from edge.faults import Faults
from edge.observers import Observer, Observers, SortedItem
from edge.payloads import FaultPayload
from edge.recording.file import encode_picture, write_recording
from edge.recording.schema import ItemRecord, RecordingRecord

PAUSE_S = 600.0
"""At most so often is written by itself: a fault that comes and goes must not wear out the disk."""
SETTLE_S = 2.0
"""So long a person who asks waits for an item whose pictures are being packed."""

logger = logging.getLogger(__name__)


class Recorded(NamedTuple):
    """An item as it will be written. pictures: name → PNG."""

    record: ItemRecord
    pictures: dict[str, bytes]

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.pictures.values()))


class Recorder:
    """An observer of the sorter, a chore, and a context manager that writes at the end. Safe from any thread.

    fill_percent: compartment → how full it is.
    """

    def __init__(
        self,
        config: Config,
        limits: Limits,
        observers: Observers,
        faults: Faults,
        clock: Clock,
        fill_percent: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._config, self._sorting = config, config.sorting
        self._limits = limits
        self._faults = faults
        self._clock = clock
        self._fill_percent = fill_percent
        self._folder = config.state_dir / "recordings"
        self._observer: Observer = observers.add("flight recorder", self._take)
        self._items: deque[Recorded] = deque()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._stood: frozenset[str] = frozenset()
        self._reason: str | None = None  # why the next writing is due
        self._quiet_until_s = 0.0
        self._written_seq = 0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._write_new("the program ended")
        except RecordingError as error:
            logger.warning("%s", error)  # nobody is left to tell a fault to

    def tend(self) -> None:
        """Write when a fault has begun that stops the sorting; later, where that was done a short while ago."""
        stands = frozenset(fault.code for fault in self._faults.standing()) & STOPPING
        begun, self._stood = stands - self._stood, stands
        if begun:
            self._reason = f"fault {', '.join(sorted(begun))}"
        if begun.intersection(ACKNOWLEDGED):
            self._quiet_until_s = 0.0  # a person comes each time: never too often
        reason = self._reason
        if reason is None or self._clock.monotonic_s() < self._quiet_until_s:
            return
        # By way of the observer, so that the item which failed is in it.
        if self._observer.submit(lambda: self._write_new(reason)):
            self._reason = None

    def record(self, why: str) -> tuple[Path, int]:
        """Write the items there are, the one sorted just now among them; gives the file and how many it holds.

        Raises:
            RecordingError: there is none yet, or the disk does not take the file.
        """
        self._observer.settle(SETTLE_S)
        return self._write(why)

    def _write(self, why: str) -> tuple[Path, int]:
        with self._writing:
            with self._lock:
                items = list(self._items)
            if not items:
                raise RecordingError("nothing was sorted since the start: there is nothing to record")
            last = items[-1].record.event.seq
            path = self._folder / f"recording-{last:09d}.zip"
            pictures = {name: png for item in items for name, png in item.pictures.items()}
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                check_room(free_bytes(self._folder), self._config.journal.reserve_mb)
                write_recording(path, self._describe(why, items), pictures)
                self._written_seq = last
                self._prune()
            except OSError as error:
                raise RecordingError(f"{error.filename or self._folder}: {error.strerror or error}") from None
        return path, len(items)

    def _write_new(self, why: str) -> None:
        with self._lock:
            newest = self._items[-1].record.event.seq if self._items else 0
        if newest > self._written_seq:
            path, _ = self._write(why)
            self._quiet_until_s = self._clock.monotonic_s() + PAUSE_S
            logger.info("%s: the newest items are in %s", why, path)

    def _take(self, item: SortedItem) -> None:
        record = ItemRecord.of(item, self._fill_percent())
        pictures = {
            written.picture: encode_picture(look.pixels) for written, look in zip(record.looks, item.looks, strict=True)
        }
        limits = self._limits
        with self._lock:
            self._items.append(Recorded(record, pictures))
            room = limits.memory_mib * 2**20
            while len(self._items) > 1 and (
                len(self._items) > limits.max_items or sum(kept.size_bytes for kept in self._items) > room
            ):
                self._items.popleft()

    def use_sorting(self, sorting: Sorting) -> None:
        """By which items are decided from now on."""
        self._sorting = sorting

    def _describe(self, why: str, items: list[Recorded]) -> RecordingRecord:
        return RecordingRecord(
            schema=1,
            program=__version__,
            bin_id=self._config.bin_id,
            written=self._clock.utc(),
            why=why,
            faults=[
                FaultPayload(code=fault.code, since=fault.since, message=fault.message, remedy=fault.remedy)
                for fault in self._faults.standing()
            ],
            sorting=self._sorting,
            items=[item.record for item in items],
        )

    def _prune(self) -> None:
        """Keep the newest files: their numbers rise with the items'."""
        written = sorted(path for path in self._folder.iterdir() if re.fullmatch(r"recording-\d+\.zip", path.name))
        for path in written[: -self._limits.max_files]:
            path.unlink(missing_ok=True)
