"""What is set while the bin runs, and holds after a restart: mode, threshold, when compartments were emptied.

Kept in `settings.json` in state_dir, replaced as a whole: a power cut leaves the old file or the new one.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edge.errors import JournalError
from edge.payloads import EmptiedPayload, Payload

Mode = Literal["auto", "paused", "maintenance"]


class RunSettings(Payload):
    """The file. min_probability: None: what the config says."""

    mode: Mode = "auto"
    min_probability: float | None = Field(None, ge=0, le=1)
    emptied: dict[str, EmptiedPayload] = Field(default_factory=dict)


class Settings:
    """Safe to use from any thread. lost: why an earlier file could not be read; None when it could."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._now, self.lost = self._read()

        if self.lost is not None:
            with suppress(OSError):  # what cannot be moved is overwritten by the next change
                path.replace(path.with_name(path.name + ".damaged"))

    @property
    def now(self) -> RunSettings:
        return self._now

    def set_mode(self, mode: Mode) -> None:
        """Raises as all `set_…` do: JournalError: it holds now, but the disk did not take it for after a restart."""
        self._change(mode=mode)

    def set_min_probability(self, min_probability: float | None) -> None:
        self._change(min_probability=min_probability)

    def set_emptied(self, compartment: str, at: datetime, count: int) -> None:
        self._change(emptied=self._now.emptied | {compartment: EmptiedPayload(at=at, count=count)})

    def _change(self, **fields: object) -> None:
        with self._lock:
            self._now = self._now.model_copy(update=fields)
            try:
                write_whole(self._path, self._now.to_json().encode())
            except OSError as error:
                raise JournalError(
                    f"it holds until the program ends, but not after: {self._path}: {error.strerror or error}; make "
                    "room, or see that the folder is writable"
                ) from None

    def _read(self) -> tuple[RunSettings, str | None]:
        """What is kept, and why it could not be read."""
        try:
            return RunSettings.model_validate_json(self._path.read_bytes()), None
        except FileNotFoundError:
            return RunSettings(), None
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            return RunSettings(), f"{self._path}: {reason}"


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that after a power cut there is all of the old one or all of the new one. Raises OSError."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
