"""Where models are kept, and which of them sorts.

    models/a, models/b   two slots; an update goes into the one that is not in use
    models/current.json  which slot sorts; replaced as a whole, so that a power cut leaves the old one or the new one

Before the first update, and whenever a slot cannot be used, the bundle that the config names sorts.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from edge.payloads import Payload
from edge.settings import sync_folder, write_whole

Slot = Literal["config", "a", "b"]


class Pointer(Payload):
    """current.json. previous: what sorted before. confirmed: whether the current one has been seen to work."""

    current: Slot = "config"
    previous: Slot | None = None
    confirmed: bool = True


class Slots:
    """folder: `models` in state_dir. shipped: the bundle that the config names. What writes raises OSError."""

    def __init__(self, folder: Path, shipped: Path) -> None:
        self.folder, self._shipped = folder, shipped

    @property
    def pointer(self) -> Pointer:
        """A file that cannot be read points at the config's bundle."""
        try:
            return Pointer.model_validate_json((self.folder / "current.json").read_bytes())
        except (OSError, ValidationError):
            return Pointer()

    def path_of(self, slot: Slot) -> Path:
        return self._shipped if slot == "config" else self.folder / slot

    @property
    def current(self) -> Path:
        """The bundle that sorts."""
        return self.path_of(self.pointer.current)

    @property
    def free(self) -> Literal["a", "b"]:
        """The slot for the next update."""
        return "b" if self.pointer.current == "a" else "a"

    def make_room(self) -> Path:
        """An empty folder to put the next bundle into, beside its slot."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging = self.folder / f"{self.free}.new"
        with suppress(FileNotFoundError):
            shutil.rmtree(staging)
        staging.mkdir(mode=0o700)
        return staging

    def keep(self, staging: Path) -> Literal["a", "b"]:
        """What lies there, checked, becomes the free slot's bundle; the one that was in it is gone."""
        for path in (*staging.rglob("*"), staging):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        slot, pointer = self.free, self.pointer
        if pointer.previous == slot:
            self._write(pointer.model_copy(update={"previous": None if pointer.current == "config" else "config"}))
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder / slot)
        staging.rename(self.folder / slot)
        sync_folder(self.folder)
        return slot

    def point_at(self, slot: Slot) -> None:
        """From now on this one sorts, on trial until `confirm`."""
        self._write(Pointer(current=slot, previous=self.pointer.current, confirmed=False))

    def confirm(self) -> None:
        """The current one has been seen to work."""
        if not self.pointer.confirmed:
            self._write(self.pointer.model_copy(update={"confirmed": True}))

    def back(self) -> Slot:
        """The one before sorts again; which that is."""
        pointer = self.pointer
        to: Slot = pointer.previous or "config"
        self._write(Pointer(current=to, previous=pointer.current))
        return to

    def drop(self) -> Slot:
        """The current one is no good: the one before sorts again, and is not gone back from. Which that is."""
        to: Slot = self.pointer.previous or "config"
        self._write(Pointer(current=to, previous=None if to == "config" else "config"))
        return to

    def clean(self) -> None:
        """Take away what an update left unfinished."""
        for path in self.folder.glob("*.new"):
            shutil.rmtree(path)

    def _write(self, pointer: Pointer) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self.folder / "current.json", pointer.to_json().encode())
