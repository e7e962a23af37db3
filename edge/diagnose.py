"""What a far-away engineer needs to see of a bin, in one zip: log, config, faults, events, requests, versions.

Without secrets (see edge/scrub.py) and without pictures. Made by the daemon where it runs, which knows more.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from edge import __version__
from edge.clock import SystemClock
from edge.config import Config
from edge.errors import JournalError, SmartbinError
from edge.journal import Journal
from edge.recent_log import RECENT
from edge.requests import RequestLog
from edge.scrub import scrub_file

KEPT = 5
"""Bundles kept in state_dir; the oldest go first."""
EVENTS, REQUESTS, FILES = 200, 200, 500

Part = Callable[[], str]


class Diagnosis(NamedTuple):
    """A bundle on disk."""

    path: Path
    size_bytes: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        return {"path": str(self.path), "bytes": self.size_bytes, "sha256": self.sha256}


def diagnose(config: Config, at: datetime, live: dict[str, Part] | None = None) -> Diagnosis:
    """Write the bundle to `diagnose` in state_dir. live: what only a running daemon knows, by file name.

    Raises:
        JournalError: state_dir cannot be written.
    """
    folder = config.state_dir / "diagnose"
    path = folder / f"{config.bin_id}-{at:%Y%m%dT%H%M%SZ}.zip"
    part = path.with_suffix(".part")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _private(part) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, write in (_parts(config) | (live or {})).items():
                bundle.writestr(name, scrub_file(name, _written(write)))
        part.replace(path)
        content = path.read_bytes()
        for old in sorted(folder.glob("*.zip"))[:-KEPT]:
            old.unlink()
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise JournalError(f"{folder}: {error.strerror or error}; make room, or see that it is writable") from None
    return Diagnosis(path, len(content), hashlib.sha256(content).hexdigest())


def _private(path: Path) -> Any:
    """A new file that its owner alone may read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _written(write: Part) -> str:
    """One part; what cannot be had is said in its place, and the others are there."""
    try:
        return write()
    except (SmartbinError, OSError, ValueError, psutil.Error) as error:
        return f"not to be had: {error}\n"


def _parts(config: Config) -> dict[str, Part]:
    database = config.state_dir / "journal.sqlite"
    return {
        "config.json": lambda: config.model_dump_json(by_alias=True, indent=2),
        "versions.json": lambda: _json(_versions()),
        "machine.json": lambda: _json(_machine(config)),
        "files.txt": lambda: _files(config.state_dir),
        "settings.json": lambda: (config.state_dir / "settings.json").read_text(encoding="utf-8"),
        "setup.yaml": lambda: (config.state_dir / "setup.yaml").read_text(encoding="utf-8"),
        "model.json": lambda: (config.classify.bundle / "manifest.json").read_text(encoding="utf-8"),
        "events.jsonl": lambda: _events(database),
        "requests.jsonl": lambda: _lines(RequestLog(database, SystemClock()).newest(REQUESTS)),
        "log.txt": RECENT.text,
    }


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, default=str)


def _lines(documents: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(document, default=str) + "\n" for document in documents)


def _versions() -> dict[str, Any]:
    return {
        "smartbin": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "packages": dict(sorted((d.metadata["Name"], d.version) for d in metadata.distributions())),
    }


def _machine(config: Config) -> dict[str, Any]:
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(config.state_dir)
    return {
        "up_since": datetime.fromtimestamp(psutil.boot_time(), timezone.utc).isoformat(),
        "load": psutil.getloadavg(),
        "cpus": psutil.cpu_count(),
        "memory_bytes": {"total": memory.total, "available": memory.available},
        "state_dir_bytes": {"total": disk.total, "free": disk.free},
    }


def _files(folder: Path) -> str:
    rows = []
    for path in sorted(folder.rglob("*"))[:FILES]:
        with suppress(OSError):
            at = datetime.fromtimestamp(path.lstat().st_mtime, timezone.utc)
            rows.append(f"{at:%Y-%m-%dT%H:%M:%SZ} {path.lstat().st_size:>12} {path.relative_to(folder)}\n")
    return "".join(rows)


def _events(database: Path) -> str:
    if not database.exists():
        return ""
    with Journal(database, max_events=sys.maxsize) as journal:
        return "".join(event.to_json() + "\n" for event in journal.newest(EVENTS))
