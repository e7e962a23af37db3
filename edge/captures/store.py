"""The folder of captures: a JPEG each, named by the item's number and id.

    0000000123-7c0f….jpg        its comment says what it shows: there is no index to lose

Numbers rise with time whatever the clock says, so that the oldest is the first. A file is written beside its place and
renamed into it. It is not forced onto the disk, which would wear a memory card: a power cut may take the newest. One
that a person corrected is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from edge.captures.capture import Capture, Correction, Other, read_capture
from edge.captures.entry import CaptureFilter, Entry, entry_of
from edge.disk import check_room, free_bytes
from edge.errors import CaptureMissing, UnreadablePicture
from edge.jpeg import with_comment
from edge.settings import write_whole

HEAD_BYTES = 70_000
"""The longest comment is within this."""
TAIL = b"\xff\xd9"
"""A whole JPEG ends with it; one that a power cut took half of does not."""

NAMES = "[0-9]" * 10 + "-*.jpg"
"""What else somebody puts into the folder is not touched."""

logger = logging.getLogger(__name__)


def _going(entry: Entry) -> tuple[bool, int]:
    """The order in which captures make room."""
    return entry.corrected and not entry.sampled, entry.seq


class CaptureStore:
    """Safe to use from any thread. budget_bytes: all files together. reserve_mb: left free on the file system.

    Every method that touches the disk raises OSError when it fails.
    """

    def __init__(
        self,
        folder: Path,
        *,
        budget_bytes: int,
        reserve_mb: int,
        free_bytes: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.folder = folder
        self._budget_bytes, self._reserve_mb = budget_bytes, reserve_mb
        self._free_bytes = free_bytes
        self._lock = threading.RLock()
        self._entries: dict[UUID, Entry] = {}  # in the order of their numbers

    def open(self) -> None:
        """Make the folder, look what is in it, and delete what a power cut left half."""
        with self._lock:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for unfinished in self.folder.glob("*.part"):
                unfinished.unlink(missing_ok=True)
            found = [entry for path in sorted(self.folder.glob(NAMES)) if (entry := self._look_at(path)) is not None]
            self._entries = {entry.event_id: entry for entry in sorted(found)}

    def _look_at(self, path: Path) -> Entry | None:
        try:
            with path.open("rb") as file:
                capture = read_capture(file.read(HEAD_BYTES))
                size_bytes = file.seek(0, 2)
                file.seek(-len(TAIL), 2)
                if file.read() != TAIL:
                    raise UnreadablePicture("its end is missing")
        except UnreadablePicture as error:
            logger.warning("%s: deleted: %s", path, error)
            path.unlink(missing_ok=True)
            return None
        return entry_of(capture, size_bytes)

    @property
    def size_bytes(self) -> int:
        """All captures together."""
        with self._lock:
            return sum(entry.size_bytes for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def check_room(self, size_bytes: int = 0) -> None:
        """Raises OSError when the file system would have less than the reserve left."""
        check_room(self._free_bytes(self.folder), self._reserve_mb, size_bytes)

    def add(self, capture: Capture, jpeg: bytes) -> None:
        """Keep a picture; the oldest make room for it, those that a person corrected last.

        Not of the random sample: it goes by age alone. If what somebody named stayed longer, what people like to name
        would be counted more often than it happens.
        """
        content = with_comment(jpeg, capture.to_json())
        with self._lock:
            while self._entries and self.size_bytes + len(content) > self._budget_bytes:
                self.delete(min(self._entries.values(), key=_going).event_id)
            self.check_room(len(content))
            self._write(capture, content, _write_lazily)

    def list(self, wanted: CaptureFilter | None = None, limit: int = 50) -> list[Capture]:
        """The newest that fit, newest first."""
        return [*self.captures(self.entries(wanted), limit)]

    def captures(self, entries: Iterable[Entry], limit: int) -> Sequence[Capture]:
        """The first of these that are still there, in their order."""
        found: list[Capture] = []
        with self._lock:
            for entry in entries:
                if len(found) >= limit:
                    break
                found += self._still_there(entry)
        return found

    def entries(self, wanted: CaptureFilter | None = None) -> Sequence[Entry]:
        """What is known in memory of those that fit, newest first; the disk is not asked."""
        wanted = wanted or CaptureFilter()
        with self._lock:
            return [entry for entry in reversed([*self._entries.values()]) if entry.fits(wanted)]

    def _still_there(self, entry: Entry) -> Iterator[Capture]:
        try:
            with (self.folder / entry.name).open("rb") as file:
                yield read_capture(file.read(HEAD_BYTES))
        except (FileNotFoundError, UnreadablePicture) as error:
            logger.warning("%s: no longer a capture: %s", entry.name, error)
            self._entries.pop(entry.event_id, None)

    def read(self, event_id: UUID) -> tuple[Capture, bytes]:
        """One capture, and its JPEG file.

        Raises:
            CaptureMissing: there is none of this item, or not any more.
        """
        with self._lock:
            try:
                content = (self.folder / self._entries[event_id].name).read_bytes()
                return read_capture(content), content
            except (KeyError, FileNotFoundError, UnreadablePicture):
                self._entries.pop(event_id, None)
                raise CaptureMissing(f"no capture of item {event_id}; it may have been deleted meanwhile") from None

    def correct(self, event_id: UUID, correction: Correction | None) -> Capture:
        """Write down what a person said that the item really was; None takes it back. Raises as `read`."""
        # A person's word is worth a write that lasts.
        return self._rewrite(event_id, {"correction": correction}, write_whole)

    def dispute(self, event_id: UUID, other: Other) -> Capture:
        """Write down what a model on trial would have done instead. Raises as `read`."""
        return self._rewrite(event_id, {"other": other}, _write_lazily)

    def _rewrite(self, event_id: UUID, update: dict[str, object], write: Callable[[Path, bytes], None]) -> Capture:
        with self._lock:
            capture, content = self.read(event_id)
            changed = capture.model_copy(update=update)
            self._write(changed, with_comment(content, changed.to_json()), write)
            return changed

    def delete(self, event_id: UUID) -> None:
        """Delete one; harmless when it is not there."""
        with self._lock:
            entry = self._entries.get(event_id)
            if entry is not None:
                (self.folder / entry.name).unlink(missing_ok=True)
                del self._entries[event_id]

    def expire(self, before: datetime, *, every_date: bool = False) -> int:
        """Delete what is older; says how many.

        Of an item that was dated by a clock nobody had set, it is known that it is older than the next one that was
        dated well; until there is one, it is kept. every_date: no clock sets this machine's, all dates are believed.
        """
        old: list[UUID] = []
        next_ts: datetime | None = None
        with self._lock:
            for entry in reversed([*self._entries.values()]):
                if entry.clock_synced or every_date:
                    next_ts = entry.ts
                if next_ts is not None and next_ts < before:
                    old.append(entry.event_id)
            for event_id in old:
                self.delete(event_id)
        return len(old)

    def _write(self, capture: Capture, content: bytes, write: Callable[[Path, bytes], None]) -> None:
        entry = entry_of(capture, len(content))
        write(self.folder / entry.name, content)
        newest = next(reversed(self._entries.values()), entry)
        self._entries[entry.event_id] = entry
        if entry.seq < newest.seq:  # a model on trial is slow to dispute
            self._entries = {each.event_id: each for each in sorted(self._entries.values())}


def _write_lazily(path: Path, content: bytes) -> None:
    """All of it or nothing, and on the disk when the system thinks fit."""
    part = path.with_suffix(".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
