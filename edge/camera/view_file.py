"""The learnt view of the empty tray, kept in a file: a camera that was moved while the bin was off is found out too."""

from __future__ import annotations

import logging
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SCHEMA = 1

Arrays = dict[str, NDArray[np.generic]]

logger = logging.getLogger(__name__)


class ViewFile:
    """One file. What cannot be read is learnt anew; what cannot be written is learnt at the next start: no fault.

    source: what the pictures come from; those of another source are not compared.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source

    def load(self, fits: tuple[float, ...]) -> Arrays | None:
        """What was saved for such a picture; None when there is nothing, or it is of another size, region or source."""
        try:
            with self._path.open("rb") as file:  # NumPy itself leaves a damaged one open
                saved = np.load(file, allow_pickle=False)
                arrays: Arrays = {name: saved[name] for name in saved.files}
            if not np.array_equal(arrays.pop("fits"), [SCHEMA, *fits]) or str(arrays.pop("source")) != self._source:
                return None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, AttributeError, EOFError, zipfile.BadZipFile) as error:
            logger.warning("%s: not readable (%s); the empty tray is learnt anew", self._path, error)
            return None
        return arrays

    def save(self, fits: tuple[float, ...], arrays: Arrays) -> None:
        """Whole or not at all, whatever happens meanwhile."""
        unfinished = self._path.with_suffix(".new")
        try:
            with unfinished.open("wb") as file:
                np.savez(
                    file, allow_pickle=False, fits=np.array([SCHEMA, *fits]), source=np.array(self._source), **arrays
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except OSError as error:
            logger.warning("%s: not written (%s); the empty tray is learnt anew at the next start", self._path, error)

    def forget(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s: not deleted (%s)", self._path, error)
