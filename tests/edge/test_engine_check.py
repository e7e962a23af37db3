"""When the running engine is held against the golden set again."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from edge.clock import ManualClock
from edge.engine_check import AT_LEAST_EVERY_S, EngineCheck
from edge.errors import EngineAway
from edge.live import Live


class Engine:
    """Counts."""

    def __init__(self) -> None:
        self.checks, self.settled, self.away = 0, 0, False

    def check(self) -> bool:
        if self.away:
            raise EngineAway("it is being started")
        self.checks += 1
        return True

    def settle(self) -> None:
        self.settled += 1


@pytest.fixture
def live() -> Live:
    live = Live()
    live.update(phase="waiting")
    return live


def noon() -> ManualClock:
    """Noon, local time."""
    return ManualClock(datetime(2026, 3, 1, 12).astimezone().astimezone(timezone.utc))


def test_once_a_night_and_no_more(live: Live) -> None:
    clock, engine = noon(), Engine()
    check = EngineCheck(engine, live, clock, hour=3)
    at = []
    for hour in range(72):
        before = engine.checks
        check.tend()
        if engine.checks > before:
            at.append((12 + hour) % 24)
        clock.advance(3600)
    assert at == [3, 3, 3]
    assert engine.settled == 72


def test_an_item_on_the_tray_comes_first(live: Live) -> None:
    clock, engine = noon(), Engine()
    check = EngineCheck(engine, live, clock, hour=3)
    clock.advance(16 * 3600)
    for phase in ("looking", "sorting", "blocked"):
        live.update(phase=phase)
        check.tend()
    assert engine.checks == 0
    live.update(phase="waiting")
    check.tend()
    assert engine.checks == 1


def test_a_check_that_had_no_engine_is_made_up_for(live: Live) -> None:
    clock, engine = noon(), Engine()
    check = EngineCheck(engine, live, clock, hour=3)
    clock.advance(16 * 3600)
    engine.away = True
    check.tend()
    engine.away = False
    check.tend()
    assert engine.checks == 1


def test_a_clock_that_nobody_set_is_not_asked_for_the_hour(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, engine = noon(), Engine()
    monkeypatch.setattr(clock, "synced", lambda: False)
    check = EngineCheck(engine, live, clock, hour=3)
    clock.advance(AT_LEAST_EVERY_S - 1)
    check.tend()
    assert engine.checks == 0
    clock.advance(2)
    check.tend()
    assert engine.checks == 1


@pytest.mark.parametrize("by_days", [-400, -1, 1, 400])
def test_a_clock_that_is_set_costs_one_more_check_and_the_nights_go_on(live: Live, by_days: int) -> None:
    clock, engine = noon(), Engine()
    check = EngineCheck(engine, live, clock, hour=3)
    clock.set_wall_clock(by_days * 86400)
    for _ in range(3):
        check.tend()
    assert engine.checks == 1
    for _ in range(48):
        clock.advance(3600)
        check.tend()
    assert engine.checks == 3
