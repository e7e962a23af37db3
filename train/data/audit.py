"""What is in a folder of photographs, and what is wrong with it."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import ConfigError
from train.data.copies import Copies, conflicts, find_copies, thumbnails
from train.data.photos import Photos, data_sha256, is_photograph, scan
from train.data.readable import check_readable, read_size


@dataclass(frozen=True)
class Audit:
    """The findings. Names are "class/file"."""

    photos: Photos
    sha256: str
    unreadable: Mapping[str, str]  # name → reason
    copies: tuple[Copies, ...]
    groups: Mapping[str, str]  # name → object, photographed twice or more
    groups_from: str  # where the groups come from, in words
    sizes: Mapping[tuple[int, int], int]  # (width, height) → photographs
    others: tuple[str, ...]  # files that are no photographs
    nested: tuple[str, ...]  # folders inside class folders; nothing in them is used

    @property
    def readable(self) -> Photos:
        """The photographs that can be decoded."""
        return self.photos.without(self.unreadable)

    @property
    def class_counts(self) -> dict[str, int]:
        """Photographs of each class, in the order of the labels."""
        counts = Counter(name.split("/")[0] for name in self.photos.names)
        return {label: counts[label] for label in self.photos.labels}

    @property
    def conflicting(self) -> dict[str, tuple[str, ...]]:
        """Photographs whose picture stands under another label too, each with the others."""
        return conflicts(list(self.copies))

    @property
    def repeated(self) -> list[tuple[str, ...]]:
        """Photographs of one object, most first."""
        members: dict[str, list[str]] = defaultdict(list)
        for name in self.photos.names:
            if name in self.groups:
                members[self.groups[name]].append(name)
        return sorted(map(tuple, members.values()), key=lambda names: (-len(names), names))

    def as_json(self) -> dict[str, Any]:
        """All of it, for audit.json."""
        return {
            "data": str(self.photos.root),
            "data_sha256": self.sha256,
            "photographs": len(self.photos),
            "classes": self.class_counts,
            "unreadable": dict(self.unreadable),
            "copies": [{"files": [c.first, c.second], "exact": c.exact} for c in self.copies],
            "conflicting": self.conflicting,
            "groups_from": self.groups_from,
            "groups": self.repeated,
            "sizes": {f"{width}x{height}": n for (width, height), n in self.sizes.items()},
            "not_photographs": self.others,
            "nested_folders": self.nested,
        }


def look_over(root: Path, *, progress: bool = True) -> Audit:
    """Everything but the groups, which take minutes: see `find_groups`.

    Raises:
        ConfigError: no data set, or no photograph in it can be decoded.
    """
    photos = scan(root)
    others, nested = _beside(photos)
    unreadable = check_readable(photos, progress="decode" if progress else None)
    readable = photos.without(unreadable)
    if not readable.names:
        raise ConfigError(f"{root}: none of {len(photos)} photographs can be decoded, {next(iter(unreadable.items()))}")
    small = thumbnails(readable, progress="thumbnails" if progress else None)
    sizes = Counter(read_size(root / name) for name in readable.names)
    return Audit(
        photos=photos,
        sha256=data_sha256(photos.only(name for name in photos.names if os.access(root / name, os.R_OK))),
        unreadable=unreadable,
        copies=tuple(find_copies(readable, small, progress="copies" if progress else None)),
        groups={},
        groups_from="not looked for",
        sizes=dict(sizes.most_common()),
        others=others,
        nested=nested,
    )


def write_audit(audit: Audit, path: Path) -> None:
    """audit.json."""
    text = json.dumps(audit.as_json(), indent=1, ensure_ascii=False) + "\n"
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _beside(photos: Photos) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """In the class folders: files that are no photographs, and folders."""
    others, nested = [], []
    for label in photos.labels:
        with os.scandir(photos.root / label) as entries:
            for entry in entries:
                if entry.is_dir():
                    nested.append(f"{label}/{entry.name}")
                elif not is_photograph(entry):
                    others.append(f"{label}/{entry.name}")
    return tuple(sorted(others)), tuple(sorted(nested))
