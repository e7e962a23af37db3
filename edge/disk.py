"""What a disk does that fails, against what a wrong config or a missing right does: the first may pass by itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path

FAILS = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Read-only, full, over its quota, broken."""


def disk_fails(error: OSError) -> bool:
    """Whether it is the disk that refuses: the bin goes on without it, and says so."""
    return error.errno in FAILS


def read_only(folder: Path) -> bool:
    """Whether the folder is on a file system that is mounted read-only."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
