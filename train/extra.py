"""Photographs that only teach: a bin's corrected captures, renders of rare things. Nothing is judged by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.errors import ConfigError
from train.data import Photos, Split, check_readable, copies_between, scan


def extra_photographs(folders: Sequence[Path], split: Split) -> tuple[Photos, ...]:
    """The folders' photographs, with the labels of the split.

    Raises:
        ConfigError: a folder of a class that the split does not know, a file that cannot be read, or a copy of a
            photograph that validation or test judges by.
    """
    found = []
    for folder in folders:
        scanned = scan(folder, least_classes=1)
        if strangers := sorted(set(scanned.labels) - set(split.train.labels)):
            raise ConfigError(
                f"{folder}: the classes {strangers} are none of {list(split.train.labels)}; rename the folders, or "
                f"join the sources with a label map (python -m train data SOURCE {folder} --labels FILE --out JOINED)"
            )
        extra = Photos(folder, split.train.labels, scanned.names)
        if damaged := check_readable(extra):
            listed = "; ".join(f"{name}: {reason}" for name, reason in list(damaged.items())[:5])
            raise ConfigError(f"{folder}: {len(damaged)} of {len(extra)} files cannot be read ({listed})")
        for part, judged in (("validation", split.validation), ("test", split.test)):
            if copies := copies_between(extra, judged):
                raise ConfigError(
                    f"{folder}: {len(copies)} photographs are copies of {part} photographs "
                    f"({copies[0].first} of {copies[0].second}, …); what judges must not teach: remove them"
                )
        found.append(extra)
    return tuple(found)
