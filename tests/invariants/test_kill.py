"""Rule 5 with the power switch: kill -9 at a thousand instants, and a connection cut two hundred times."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.brokers import Mosquitto, Watcher

ROOT = Path(__file__).parents[2]
KILLS = 1000


@pytest.mark.needs_mosquitto
@pytest.mark.timeout(900)
def test_kill_9_at_a_thousand_instants_loses_no_event_and_leaves_no_flap_open(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Watcher(mosquitto.host, mosquitto.port, "smartbin/killed/classification") as watcher:
        command = [sys.executable, "-m", "tests.invariants.killed_bin", tmp_path, mosquitto.port, KILLS, 1]
        done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert summary["failed"] == 0, done.stderr
        decided = dict(line.split() for line in (tmp_path / "decided").read_text().splitlines())
        watcher.wait_until(lambda seen: len({json.loads(m.payload)["event_id"] for m in seen}) >= len(decided), 60)
    arrived: dict[str, set[str]] = defaultdict(set)
    outcomes: dict[str, str] = {}
    for message in watcher.messages:
        event = json.loads(message.payload)
        arrived[str(event["seq"])].add(event["event_id"])
        outcomes[event["event_id"]] = event["actuation"]["outcome"]
    assert {seq: {event_id} for seq, event_id in decided.items()}.items() <= arrived.items()
    assert all(len(ids) == 1 for ids in arrived.values()), "no item under two ids"
    unnamed = {event_id for seq in arrived.keys() - decided.keys() for event_id in arrived[seq]}
    assert {outcomes[event_id] for event_id in unnamed} <= {"INTERRUPTED"}, "killed between journal and file"
    ended = Counter(outcomes.values())
    print(f"\n{summary} {len(decided)} events: {dict(ended)}")
    assert ended["INTERRUPTED"] >= KILLS / 50 and ended["CONFIRMED"] >= KILLS / 10, "many were killed in the middle"
    assert summary["open_when_killed"] >= KILLS / 50, "of them, with the flap open"
