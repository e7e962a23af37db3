"""What is wrong right now: reported, said once, over again; and only what the table knows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from edge.clock import ManualClock
from edge.faults import Faults


def test_a_newer_message_replaces_the_old_one_and_keeps_its_beginning() -> None:
    clock = ManualClock()
    faults = Faults(clock)
    began = clock.utc()
    faults.report("jam", "an item for glass", "take it out")
    clock.advance(5)
    faults.report("stall", "too slow", "clear it")
    faults.report("jam", "an item for paper", "take it out")
    assert [(fault.code, fault.message, fault.since - began) for fault in faults.standing()] == [
        ("jam", "an item for paper", timedelta(0)),
        ("stall", "too slow", timedelta(seconds=5)),
    ]
    faults.clear("jam")
    faults.clear("jam")
    assert [fault.code for fault in faults.standing()] == ["stall"]


def test_a_fault_that_the_table_does_not_know_is_refused() -> None:
    faults = Faults(ManualClock())
    with pytest.raises(ValueError, match=r"no fault 'gremlins'.*edge/fault_table.py"):
        faults.report("gremlins", "they are in it", "wait")
    with pytest.raises(ValueError, match="no fault 'gremlins'"):
        faults.clear("gremlins")
    assert faults.standing() == ()
