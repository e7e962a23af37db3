"""How the processes of a bin keep memory, and what it is measured by."""

from __future__ import annotations

import ctypes
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

MIB = 1 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h


def keep_little() -> None:
    """Let glibc give freed memory back. Elsewhere nothing is changed. Call it before large allocations.

    By itself glibc learns from the first large block that is freed, a model's file, that blocks up to this size are to
    be kept, and it keeps a heap for every thread.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc; musl has none, and needs none
        for option, value in ((_M_MMAP_THRESHOLD, MIB), (_M_TRIM_THRESHOLD, MIB), (_M_ARENA_MAX, 2)):
            libc.mallopt(option, value)


def resident_mib(pids: Sequence[int]) -> float:
    """Resident memory of a program's processes together, MiB: what each has alone, and each file that they map once.

    A file counts as often as the process counts it that has most of it in memory. So libraries that all of them load
    are not counted several times, and those that other programs load too are not counted less, as in the proportional
    set size.

    Raises:
        OSError: there is no such process, or it is somebody else's, or this is not Linux.
    """
    own_kib, files_kib = 0, Counter[str]()
    for pid in pids:
        mapped_kib = Counter[str]()
        path = ""
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            name, _, rest = line.partition(" ")
            if not name.endswith(":"):
                path = "".join(line.split(maxsplit=5)[5:])  # address, rights, offset, device, inode, path
            elif name == "Rss:":
                mapped_kib[path] += int(rest.split()[0])
            elif name == "Anonymous:":
                own_kib += int(rest.split()[0])
                mapped_kib[path] -= int(rest.split()[0])
        files_kib |= mapped_kib
    return (own_kib + sum(files_kib.values())) / 1024
