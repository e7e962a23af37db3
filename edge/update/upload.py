"""A bundle's archive that comes in pieces over the control socket, to `models/upload.part`."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from edge.config.update import Update
from edge.control.messages import ModelUploadArguments, ModelUploadResult
from edge.errors import UpdateError
from edge.update.fetch import SPARE_BYTES, UPLOAD, forget


class Upload:
    """The newest upload; another one takes its place. Safe to use from any thread. folder: `models` in state_dir."""

    def __init__(self, folder: Path, config: Update) -> None:
        self._path, self._config = folder / UPLOAD, config
        self._lock = threading.Lock()
        self._current: tuple[str, int] | None = None  # its id and size

    def take(self, piece: ModelUploadArguments) -> ModelUploadResult:
        """Write one piece behind those before it; the first, at 0, may be empty.

        Raises:
            UpdateError: too large, no room, or not the piece that comes next.
        """
        with self._lock:
            try:
                if piece.offset == 0:
                    self._begin(piece)
                return self._add(piece)
            except OSError as error:
                self._current = None
                forget(self._path.parent)  # the journal needs the room more
                raise UpdateError(f"{self._path}: {error.strerror or error}; make room, and upload it again") from None

    def _begin(self, piece: ModelUploadArguments) -> None:
        self._current = None
        folder, most = self._path.parent, self._config.max_bytes
        if piece.total > most:
            raise UpdateError(f"the archive has {piece.total} bytes, the most is {most} (update.max_bytes)")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        if shutil.disk_usage(folder).free < piece.total + SPARE_BYTES:
            raise UpdateError(f"{folder}: the disk has no room for {piece.total} bytes and a reserve; make room")
        self._path.touch(mode=0o600, exist_ok=False)
        self._current = (piece.upload, piece.total)

    def _add(self, piece: ModelUploadArguments) -> ModelUploadResult:
        if self._current != (piece.upload, piece.total):
            raise UpdateError("another upload came in between, or the bin was restarted; upload the archive again")
        have = self._path.stat().st_size
        if piece.offset != have or have + len(piece.content) > piece.total:
            raise UpdateError(
                f"{len(piece.content)} bytes came for place {piece.offset}, but {have} of {piece.total} are there; "
                "upload the archive again"
            )
        with self._path.open("ab") as file:
            file.write(piece.content)
            have = file.tell()
            whole = have == piece.total
            if whole:
                file.flush()
                os.fsync(file.fileno())
        if whole:
            self._current = None
        return ModelUploadResult(have=have, url=self._path.absolute().as_uri() if whole else None)
