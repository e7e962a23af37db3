"""An archive → a bundle's folder. Nothing in it is believed: names, kinds and sizes are checked first."""

from __future__ import annotations

import re
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from edge.errors import UpdateError

MAX_FILES = 100
CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def unpack(archive: Path, folder: Path, *, max_bytes: int) -> None:
    """Unpack a .tar or .tar.gz: regular files, in the bundle's folder or one below it.

    Raises:
        UpdateError: not an archive, or with something in it that a bundle does not have.
    """
    left = max_bytes
    try:
        with tarfile.open(archive, "r:*") as tar:
            for number, member in enumerate(tar):
                if member.isdir():
                    continue
                target = folder / _inside(member.name)
                if number >= MAX_FILES or not member.isreg() or member.size > left:
                    raise UpdateError(
                        f"{archive.name}: {member.name!r:.80} is no file of a bundle; expected at most {MAX_FILES} "
                        f"regular files of {max_bytes} bytes together"
                    )
                left -= member.size
                target.parent.mkdir(mode=0o700, exist_ok=True)
                content = tar.extractfile(member)
                assert content is not None
                _copy(content, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UpdateError(f"{archive.name}: not a .tar or .tar.gz: {error}") from None


def _inside(name: str) -> PurePosixPath:
    """`NAME/manifest.json`, `./manifest.json` → `manifest.json`; `NAME/report/x.png` → `report/x.png`."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    if name.startswith("/") or not all(_NAME.fullmatch(part) for part in parts):
        raise UpdateError(f"the archive has a file {name!r:.80}; a bundle's files have plain names")
    if len(parts) > 1 and parts[0] != "report":
        parts = parts[1:]
    if not parts or len(parts) > 2 or (len(parts) == 2 and parts[0] != "report"):
        raise UpdateError(f"the archive has a file {name!r:.80}; a bundle is flat, but for its report")
    return PurePosixPath(*parts)


def _copy(content: IO[bytes], target: Path) -> None:
    with target.open("xb") as file:
        while chunk := content.read(CHUNK_BYTES):
            file.write(chunk)
