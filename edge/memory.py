"""How the processes of a bin keep memory, and what it is measured by."""

from __future__ import annotations

import ctypes
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

MIB = 1 << 20
_MAPPING = re.compile(
    r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)\n"  # address, rights, offset, device, inode, path
    r"(?:\w+: .*\n)*?Rss: +(\d+) kB\n(?:\w+: .*\n)*?Anonymous: +(\d+) kB$",
    re.MULTILINE,
)
"""A mapping in /proc/PID/smaps: its path, and how much of it is resident, and anonymous."""
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


def give_back() -> None:
    """Give the system what is free in glibc's heap; elsewhere nothing is done. Worth it after much was let go at once.

    A library that loads a model takes it apart in small blocks, which `keep_little` has no say over.
    """
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)


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
        for path, resident, anonymous in _MAPPING.findall(Path(f"/proc/{pid}/smaps").read_text()):
            own_kib += int(anonymous)
            mapped_kib[path] += int(resident) - int(anonymous)
        files_kib |= mapped_kib
    return (own_kib + sum(files_kib.values())) / 1024
