"""A servo's limits and ramp, on a stand-in that keeps what it was sent."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.actuators.servo import RampedServo
from edge.clock import ManualClock
from edge.errors import HardwareError


class Sent:
    """Where pulses go."""

    def __init__(self) -> None:
        self.angles_deg: list[float] = []

    def send(self, angle_deg: float) -> None:
        self.angles_deg.append(angle_deg)

    def detach(self) -> None: ...

    def close(self) -> None: ...


def nothing() -> None:
    """A step that allows everything."""


@given(low=st.floats(-90, 0), high=st.floats(1, 90), targets=st.lists(st.floats(-200, 200), max_size=6))
def test_a_servo_is_never_sent_past_its_limits(low: float, high: float, targets: list[float]) -> None:
    sent = Sent()
    servo = RampedServo(sent, (low, high), 180.0, ManualClock())
    servo.send((low + high) / 2)
    for target in targets:
        if low <= target <= high:
            servo.ramp(target, nothing)
        else:
            before = len(sent.angles_deg)
            with pytest.raises(HardwareError, match="limits_deg"):
                servo.send(target)
            assert len(sent.angles_deg) == before, "it is refused, not clamped in silence"
            with pytest.raises(HardwareError, match="limits_deg"):
                servo.ramp(target, nothing)
    assert all(low <= angle <= high for angle in sent.angles_deg)


@given(speed=st.floats(2, 600), targets=st.lists(st.floats(-90, 90), min_size=1, max_size=5))
def test_a_servo_never_moves_faster_than_its_ramp(speed: float, targets: list[float]) -> None:
    sent, clock = Sent(), ManualClock()
    servo = RampedServo(sent, (-90, 90), speed, clock)
    servo.send(0.0)
    for target in targets:
        servo.ramp(target, nothing)
        assert servo.angle_deg == pytest.approx(target)
    assert all(abs(b - a) <= speed * 0.02 + 1e-6 for a, b in pairwise(sent.angles_deg))
