"""The self-test that people ask for: every part that can be tried without moving anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge.daemon import Daemon
from edge.engine_check import Checkable
from edge.errors import EngineAway

Finding = tuple[bool, str]


def self_test(daemon: Daemon) -> dict[str, Any]:
    """passed: all of it; steps: name, ok, and what was found."""
    parts: tuple[Callable[[Daemon], Finding], ...] = (_engine, _camera, _journal, _broker, _mechanism, _faults)
    steps = []
    for part in parts:
        ok, found = part(daemon)
        steps.append({"name": part.__name__.strip("_"), "ok": ok, "found": found})
    return {"passed": all(step["ok"] for step in steps), "steps": steps}


def _engine(daemon: Daemon) -> Finding:
    engine = daemon.classifier.engine
    if not isinstance(engine, Checkable):
        return True, f"{engine.name}, in this process: checked when it was opened"
    try:
        passed = engine.check()
    except EngineAway as error:
        return False, str(error)
    return passed, f"{engine.name}: the golden logits are {'' if passed else 'not '}reproduced"


def _camera(daemon: Daemon) -> Finding:
    frame = daemon.live.snapshot().frame
    if frame is None:
        return False, "no frame since the start"
    age_s = daemon.clock.monotonic_s() - frame.captured_s
    oldest_s = daemon.config.max_frame_age_s + 1.0 / daemon.config.loop_hz
    height, width = frame.rgb.shape[:2]
    return age_s <= oldest_s, f"{width} x {height}, {1000 * age_s:.0f} ms old"


def _journal(daemon: Daemon) -> Finding:
    return _unless(daemon, "journal_failed", f"{daemon.journal.depth()} events wait for the broker")


def _broker(daemon: Daemon) -> Finding:
    return daemon.publisher.connected, "connected" if daemon.publisher.connected else "down"


def _mechanism(daemon: Daemon) -> Finding:
    refusals = daemon.guard.refusals(daemon.config.sorting.residual)
    return not refusals, "; ".join(refusals) or "homed, and free to move; nothing was moved"


def _faults(daemon: Daemon) -> Finding:
    standing = [fault.code for fault in daemon.faults.standing()]
    return not standing, ", ".join(standing) or "none"


def _unless(daemon: Daemon, code: str, otherwise: str) -> Finding:
    fault = next((fault for fault in daemon.faults.standing() if fault.code == code), None)
    return fault is None, otherwise if fault is None else fault.message
