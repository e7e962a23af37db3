"""What `python -m train data` does, step by step: get the photographs, look at them, part them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edge.errors import ConfigError
from train.data.audit import Audit, look_over, write_audit
from train.data.audit_page import write_page
from train.data.audit_pictures import draw_audit
from train.data.download import download_trashnet
from train.data.find_groups import find_groups, write_groups
from train.data.groups import groups_file, read_groups, seen_objects
from train.data.join import Source, join
from train.data.label_map import load_label_map
from train.data.split import Kind, make_split, write_split

TRASHNET = Path("trashnet")
DEFAULT_OUT = Path("data") / "trashnet"


def get(sources: Sequence[Path], out: Path | None, labels: Path | None, licences: Sequence[str]) -> Path:
    """The folder to look at: downloaded, joined from several, or the one given.

    Raises:
        ConfigError: the options do not go together, or a source cannot be used.
        DownloadError: TrashNet cannot be fetched.
    """
    if licences and len(licences) != len(sources):
        raise ConfigError(f"found {len(licences)} --licence for {len(sources)} SOURCES, expected one each")
    if not sources or (list(sources) == [TRASHNET] and not TRASHNET.is_dir()):
        if labels or licences:
            raise ConfigError("--labels and --licence: first download, then give data/trashnet as a SOURCE")
        return _downloaded(out or DEFAULT_OUT)
    if len(sources) == 1 and not labels and not out:
        return sources[0]
    if out is None:
        raise ConfigError("several SOURCES, or --labels, make a new folder: say where with --out")
    terms = licences or ["unknown"] * len(sources)
    joined = [Source(root, licence) for root, licence in zip(sources, terms, strict=True)]
    join(joined, out, load_label_map(labels) if labels else None)
    return out


def look_at(root: Path, groups: Literal["csv", "find", "none"], report: Path) -> Audit:
    """Audit the folder, and write index.html, audit.json and the pictures to `report`.

    Raises:
        ConfigError: the folder is no data set.
    """
    audit = look_over(root)
    if groups != "none":
        audit = _with_groups(audit, anew=groups == "find", report=report)
    write_audit(audit, report / "audit.json")
    write_page(audit, draw_audit(audit, report), report / "index.html")
    return audit


def part(audit: Audit, kind: Kind, path: Path) -> str:
    """Write the split, and say how large its parts are and what leaks from one to another.

    Raises:
        ConfigError: the photographs cannot be parted that way.
    """
    split = make_split(audit.readable, kind, groups=audit.groups)
    write_split(split, path)
    seen = int(seen_objects(split.test, (split.train, split.validation), dict(audit.groups)).sum())
    return (
        f"{kind} split: {len(split.train)} train, {len(split.validation)} validation, {len(split.test)} test; "
        f"{seen} test photographs show an object that also stands in the other parts; {path}"
    )


def _downloaded(out: Path) -> Path:
    if out.is_dir():
        print(f"{out} is there already: not downloaded again")
    else:
        download_trashnet(out)
    return out


def _with_groups(audit: Audit, *, anew: bool, report: Path) -> Audit:
    beside = groups_file(audit.photos.root)
    if beside.is_file() and not anew:
        known = set(audit.photos.names)
        groups = {name: group for name, group in read_groups(beside).items() if name in known}
        return replace(audit, groups=groups, groups_from=f"read from {beside.name}; a lower bound")
    found = find_groups(audit.readable, [(pair.first, pair.second) for pair in audit.copies])
    may_write = os.access(beside.parent, os.W_OK) and not beside.is_file()
    target = beside if may_write else report / beside.name  # never over a list that someone made with care
    write_groups(audit.photos, found, target)
    return replace(audit, groups=found, groups_from=f"found by local features, a lower bound; written to {target}")
