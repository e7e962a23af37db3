"""A small bin that is killed again and again: real journal on disk, real broker, everything else as in bin_world.py.

`python -m tests.invariants.killed_bin FOLDER PORT ROUNDS SEED`: imports once, then forks a bin for each round and kills
it (SIGKILL) after a random time, so that a start costs milliseconds. The last bin may finish. Prints JSON.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

from edge.config import Mqtt
from edge.domain import SortEvent
from edge.faults import Faults
from edge.journal import Journal
from edge.mqtt.client import MqttPublisher
from tests.invariants.bin_world import COMPARTMENTS, CONFIG, Ledger, SmallBin, World

LONGEST_LIFE_S = 0.25
CLOSED_DEG = CONFIG.actuator.closed_deg


class KeptLedger(Ledger):
    """The ledger, kept by the real journal; decided: a file that names each event as soon as it is journalled."""

    def __init__(self, world: World, journal: Journal, decided: Path) -> None:
        super().__init__(world)
        self._journal = journal
        self._decided = os.open(decided, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def next_seq(self) -> int:
        return self._journal.next_seq()

    def record(self, event: SortEvent) -> None:
        self._journal.record(event)
        super().record(event)
        os.write(self._decided, f"{event.seq} {event.event_id}\n".encode())

    def complete(self, event: SortEvent) -> None:
        self._journal.complete(event)
        super().complete(event)


def live(folder: Path, port: int, hardware: mmap.mmap, items: int | None) -> None:
    """Sort until killed, or so many items. hardware: the flap's angle, which outlasts the program."""
    rng = random.Random(os.getpid())
    world = World()
    config = Mqtt(host="127.0.0.1", port=port, replay_per_s=1000.0)
    with (
        Journal(folder / "journal.sqlite", max_events=100_000) as journal,
        MqttPublisher(config, "killed", journal, Faults(world), world) as publisher,
    ):
        journal.recover()
        ledger = KeptLedger(world, journal, folder / "decided")
        bin_ = SmallBin(world, ledger, lambda deg: hardware.__setitem__(slice(0, 8), struct.pack("d", deg)))
        sorted_items = 0
        while items is None or sorted_items < items:
            if bin_.guard.homed:
                bin_.check_rest()
                (angle_deg,) = struct.unpack("d", hardware[:8])
                if abs(angle_deg - CLOSED_DEG) > 0.01:
                    raise AssertionError(f"homed, and the flap stands at {angle_deg} degrees")
                world.facts.item = world.facts.item or rng.choice(COMPARTMENTS)
            if bin_.sorter.cycle() is not None:
                sorted_items += 1
                publisher.wake()
            world.sleep(1.0 / CONFIG.loop_hz)
        until_s = time.monotonic() + 60
        while publisher.drain(0.05) and time.monotonic() < until_s:
            world.advance(1.0)
        assert journal.depth() == 0, f"{journal.depth()} events were not taken"


def main() -> None:
    folder, port, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    rng = random.Random(seed)
    hardware = mmap.mmap(-1, 8)
    hardware[:8] = struct.pack("d", CLOSED_DEG)
    open_when_killed = failed = 0
    started_s = time.monotonic()
    for number in range(rounds + 1):
        last = number == rounds
        pid = os.fork()
        if pid == 0:
            try:
                live(folder, port, hardware, 3 if last else None)
            except BaseException:  # noqa: BLE001 - told by its exit status
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if not last:
            time.sleep(rng.uniform(0.0, LONGEST_LIFE_S))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        failed += status != (0 if last else signal.SIGKILL)
        open_when_killed += abs(struct.unpack("d", hardware[:8])[0] - CLOSED_DEG) > 1.0
    print(json.dumps({"failed": failed, "open_when_killed": open_when_killed, "took_s": time.monotonic() - started_s}))


if __name__ == "__main__":
    main()
