"""The slot between the thread that reads a camera and the loop: the newest frame, or the reason there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.slot import Slot
from edge.clock import ManualClock
from edge.errors import CameraError, StaleFrame

RGB = np.zeros((2, 3, 3), np.uint8)
seconds = st.floats(0, 10, allow_nan=False)


@given(waits_s=st.lists(seconds, min_size=1, max_size=5), max_age_s=seconds)
def test_a_frame_older_than_asked_for_is_never_given(waits_s: list[float], max_age_s: float) -> None:
    clock = ManualClock()
    slot = Slot("camera", clock)
    slot.put(RGB)
    for wait_s in waits_s:
        clock.advance(wait_s)
        try:
            frame = slot.read_latest(max_age_s)
        except StaleFrame:
            assert clock.monotonic_s() > max_age_s
        else:
            assert clock.monotonic_s() - frame.captured_s <= max_age_s


def test_the_newest_frame_replaces_the_one_before_it() -> None:
    slot = Slot("camera", ManualClock())
    for _ in range(3):
        slot.put(RGB)
    assert slot.read_latest(1.0).seq == 2


def test_why_no_frame_comes_is_said_once_the_last_one_is_old() -> None:
    clock = ManualClock()
    slot = Slot("camera", clock)
    slot.put(RGB)
    slot.report("camera: it was unplugged")
    assert slot.read_latest(1.0).seq == 0
    clock.advance(1.1)
    with pytest.raises(StaleFrame, match="it was unplugged"):
        slot.read_latest(1.0)


def test_a_camera_that_was_never_opened_says_so() -> None:
    with pytest.raises(CameraError, match="not open"):
        Slot("camera", ManualClock()).read_latest(1.0)
