"""A wall clock that nobody set, and one that somebody sets while the bin runs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from edge.clock import ManualClock
from edge.clockwatch import JUMP_S, STANDS_S, UNSYNCED_S, ClockWatch
from edge.config import Clock
from edge.faults import Faults


class Watched:
    """A watch, and what it says."""

    def __init__(self, *, steered: bool = True, time_source: bool = True) -> None:
        self.clock = ManualClock()
        self.clock.steered = steered
        self.faults = Faults(self.clock)
        self.watch = ClockWatch(Clock(time_source=time_source), self.faults, self.clock)

    def after(self, seconds: float) -> dict[str, str]:
        """Code → message, after so much time in steps of the daemon's loop that a test can pay for."""
        for _ in range(10):
            self.clock.advance(seconds / 10)
            self.watch.tend()
        return {fault.code: fault.message for fault in self.faults.standing()}


def test_a_clock_that_is_right_is_no_news() -> None:
    watched = Watched()
    assert watched.after(10 * 86400) == {}
    assert watched.watch.trusted


def test_a_machine_without_the_time_has_five_minutes_to_find_it() -> None:
    watched = Watched(steered=False)
    assert not watched.watch.trusted
    assert watched.after(UNSYNCED_S - 1) == {}
    assert "clock_synced false" in watched.after(2)["clock_unsynced"]
    watched.clock.steered = True
    assert watched.after(0.1) == {}
    assert watched.watch.trusted


def test_a_machine_that_loses_its_time_source_has_five_minutes_too() -> None:
    watched = Watched()
    watched.after(86400)
    watched.clock.steered = False
    assert watched.after(UNSYNCED_S - 1) == {}
    assert [*watched.after(20)] == ["clock_unsynced"]


def test_the_first_setting_of_a_clock_that_was_not_synchronised_is_no_fault() -> None:
    watched = Watched(steered=False)
    watched.after(UNSYNCED_S + 1)
    watched.clock.set_wall_clock(20_000 * 86400)
    watched.clock.steered = True
    assert watched.after(0.1) == {}
    assert watched.watch.trusted


@pytest.mark.parametrize(
    ("by_s", "said"), [(3600.0, "set 1:00:00 forward"), (-3 * 86400.0, "set 3 days, 0:00:00 back"), (-2.0, "0:00:02")]
)
def test_a_jump_stands_for_an_hour_says_by_how_much_and_nothing_is_deleted_by_age(by_s: float, said: str) -> None:
    watched = Watched()
    watched.after(60)
    watched.clock.set_wall_clock(by_s)
    message = watched.after(1)["clock_jumped"]
    assert said in message and f"{watched.clock.utc():%Y-%m-%d}" in message
    assert not watched.watch.trusted
    assert [*watched.after(STANDS_S - 10)] == ["clock_jumped"]
    assert watched.after(20) == {}
    assert watched.watch.trusted


def test_a_clock_that_is_steered_gains_time_without_a_fault() -> None:
    watched = Watched()
    for _ in range(100):
        watched.clock.set_wall_clock(0.9 * JUMP_S)
        assert watched.after(1) == {}


def test_a_fault_that_stands_keeps_its_age_when_the_clock_is_set() -> None:
    watched = Watched()
    watched.faults.report("jam", "an item for glass", "take it out")
    watched.after(600)
    watched.clock.set_wall_clock(-86400)
    watched.watch.tend()
    since = {fault.code: fault.since for fault in watched.faults.standing()}
    assert watched.clock.utc() - since["jam"] == timedelta(seconds=600)
    assert watched.clock.utc() - since["clock_jumped"] == timedelta(0)


def test_where_nothing_sets_the_clock_that_is_no_fault_and_a_jump_is() -> None:
    watched = Watched(steered=False, time_source=False)
    assert watched.after(86400) == {}
    assert watched.watch.trusted
    watched.clock.set_wall_clock(60)
    assert [*watched.after(1)] == ["clock_jumped"]


class StoppedClock(ManualClock):
    """The program is stopped for a while between its two looks at the clock."""

    stopped_s = 0.0

    def utc(self) -> datetime:
        self.advance(self.stopped_s)
        return super().utc().astimezone(timezone.utc)


def test_a_program_that_was_stopped_between_its_looks_does_not_take_that_for_a_jump() -> None:
    clock = StoppedClock()
    clock.stopped_s = 60.0
    faults = Faults(clock)
    watch = ClockWatch(Clock(), faults, clock)
    for stopped_s in (0.0, 60.0, 0.0, 0.0):
        clock.stopped_s = stopped_s
        watch.tend()
    assert faults.standing() == ()
