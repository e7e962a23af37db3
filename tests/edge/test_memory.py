"""What a bin's processes hold together."""

from __future__ import annotations

import mmap
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from edge.memory import MIB, resident_mib

HOLD = """
import mmap, sys
file = open(sys.argv[1], "r+b")
shared = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED)
sum(shared[::4096])
print("holds", flush=True)
sys.stdin.read()
"""

LET_GO = """
import os
from edge.memory import give_back, keep_little, resident_mib
keep_little()
blocks = [bytes(1_000) for _ in range(64_000)]
last = bytes(1_000)
del blocks
before = resident_mib([os.getpid()])
give_back()
print(before - resident_mib([os.getpid()]))
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what a process holds")


def test_what_is_allocated_is_counted() -> None:
    before = resident_mib([os.getpid()])
    block = mmap.mmap(-1, 32 * MIB, flags=mmap.MAP_PRIVATE)
    for page in range(0, len(block), mmap.PAGESIZE):
        block[page] = 1
    assert resident_mib([os.getpid()]) - before == pytest.approx(32, abs=4)
    block.close()


def test_a_file_that_two_processes_map_counts_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(64 * MIB))
    command = [sys.executable, "-c", HOLD, str(tmp_path / "file")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:  # type: ignore[call-overload]
        for process in (one, two):
            assert process.stdout.readline() == "holds\n"
        alone, both = resident_mib([one.pid]), resident_mib([one.pid, two.pid])
        one.communicate("")
        two.communicate("")
    assert alone > 64
    assert both - alone < 40, "its own memory, which is more where the processor is emulated, and not the file again"


def test_an_engines_process_loads_no_library_that_it_does_not_use() -> None:
    unused = ["cv2", "gpiozero", "paho", "amqtt", "openvino", "psutil", "pydantic", "cryptography"]
    code = f"import sys, edge.engines.worker, edge.engines.kinds; print([m for m in {unused} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc keeps what is freed below something that is not")
def test_what_was_let_go_in_small_blocks_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", LET_GO], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) > 40
