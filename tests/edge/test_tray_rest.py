"""A tray that never comes to rest is told, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.domain import Box, Frame, Observation, TrayState
from edge.faults import Faults
from edge.live import Live
from edge.tray_rest import TrayRest

MOTION, SETTLING, STILL = TrayState.MOTION, TrayState.SETTLING, TrayState.STILL


class Rig:
    def __init__(self) -> None:
        self.live, self.faults, self.idle = Live(), Faults(ManualClock()), False
        self.rest = TrayRest(self.live, self.faults, limit_s=120, idle=lambda: self.idle)
        self.seconds = 0

    def see(self, states: Iterable[TrayState | None]) -> bool:
        """A state a second; None is an unfit frame. Whether the fault stands in the end."""
        for state in states:
            self.seconds += 1
            frame = Frame(np.zeros((2, 2, 3), np.uint8), captured_s=self.seconds, seq=self.seconds)
            seen = None if state is None else Observation(state, 0.5, Box(0, 0, 1, 1))
            self.live.update(frame=frame, observation=seen)
            self.rest.tend()
        return [fault.code for fault in self.faults.standing()] == ["tray_restless"]


def test_motion_without_end_is_a_fault_that_rest_ends() -> None:
    rig = Rig()
    assert not rig.see([MOTION, SETTLING, SETTLING] * 39)
    assert rig.see([MOTION, SETTLING, SETTLING])
    assert rig.see([SETTLING] * 500)
    assert not rig.see([STILL])
    assert not rig.see([MOTION] * 119)


@pytest.mark.parametrize("between", [TrayState.EMPTY, STILL, TrayState.LEARNING])
def test_one_moment_of_rest_begins_the_count_anew(between: TrayState) -> None:
    assert not Rig().see([*[MOTION] * 119, between, *[MOTION] * 119])


def test_a_time_without_fit_frames_neither_counts_nor_ends_it() -> None:
    rig = Rig()
    assert not rig.see([*[MOTION] * 60, *[None] * 500, *[MOTION] * 58])
    assert rig.see([MOTION] * 10)
    assert rig.see([None] * 5)


def test_people_who_work_at_the_bin_are_no_fault() -> None:
    rig = Rig()
    rig.see([MOTION] * 130)
    rig.idle = True
    assert not rig.see([MOTION] * 500)
    rig.idle = False
    assert not rig.see([MOTION] * 110)
