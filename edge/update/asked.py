"""models/asked.json: the update under way, so that it goes on after the program ended in the middle of it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pydantic import Field, ValidationError

from edge.errors import JournalError, UpdateError
from edge.payloads import UpdateArguments
from edge.settings import write_whole

ATTEMPTS = 3
"""Starts of the program with one update under way; after that it is given up: it may be what ends the program."""


class Asked(UpdateArguments):
    """An update, and how often the program has started with it."""

    attempts: int = Field(1, ge=1)


class AskedFile:
    """folder: `models` in state_dir."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "asked.json"

    def write(self, asked: Asked) -> None:
        """Raises JournalError: the disk does not take it."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path, asked.to_json().encode())
        except OSError as error:
            raise JournalError(f"{self._path}: {error.strerror or error}; make room") from None

    def forget(self) -> None:
        with suppress(OSError):
            self._path.unlink()

    def again(self) -> Asked | None:
        """The update that the end of the program interrupted, counted once more.

        Raises:
            UpdateError: it has been tried too often.
        """
        try:
            asked = Asked.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None
        if asked.attempts >= ATTEMPTS:
            raise UpdateError(f"the program ended {ATTEMPTS} times while it was updating; given up")
        asked = asked.model_copy(update={"attempts": asked.attempts + 1})
        with suppress(JournalError):
            self.write(asked)
        return asked
