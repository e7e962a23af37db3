"""What a disk does that fails, against what a wrong config or a missing right does: the first may pass by itself."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

MB = 1_000_000
FAILS = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Read-only, full, over its quota, broken."""


def disk_fails(error: OSError) -> bool:
    """Whether it is the disk that refuses: the bin goes on without it, and says so."""
    return error.errno in FAILS


def read_only(folder: Path) -> bool:
    """Whether the folder is on a file system that is mounted read-only."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def free_bytes(folder: Path) -> int:
    """What the folder's file system has left for this user."""
    return shutil.disk_usage(folder).free


def check_room(free: int, reserve_mb: int, size_bytes: int = 0) -> None:
    """Raises OSError when, of `free` bytes, less than the reserve would be left: pictures must not fill a disk."""
    if free - size_bytes < reserve_mb * MB:
        said = f"{free // MB} MB are left on the disk, and journal.reserve_mb keeps {reserve_mb} MB free"
        raise OSError(errno.ENOSPC, said)
