"""The flap driver on gpiozero's mock pins: the same driver, the same pulses, no hardware."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from edge.actuators import pins as pins_module
from edge.actuators.flap import FlapActuator
from edge.actuators.pins import open_pin_factory
from edge.clock import ManualClock
from edge.config import Flap, FlapPosition, Switch
from edge.errors import HardwareError, MotionStalled
from edge.sensors.switch import SwitchSensor
from edge.sim.mechanism import SimulatedFlap

FLAP = Flap(
    type="flap",
    pin_factory="mock",
    tilt_pin=17,
    turn_pin=18,
    positions={"glass": FlapPosition(turn_deg=80), "residual": FlapPosition(turn_deg=0)},
)


@pytest.fixture
def pins() -> Iterator[Any]:
    factory = open_pin_factory("mock")
    yield factory
    factory.close()


def angles_sent(pins: Any, pin: int) -> list[float]:
    """Every angle a real servo would have been told, from the pulses recorded by the mock pin (1 to 2 ms of 20 ms)."""
    return [round((state.state * 20.0 - 1.0) * 180.0 - 90.0, 3) for state in pins.pin(pin).states if state.state > 0]


def test_the_chute_turns_before_the_flap_opens_and_the_flap_closes_again(pins: Any) -> None:
    open_over: list[str | None] = []
    simulated = SimulatedFlap(FLAP, ManualClock(), pins)
    with FlapActuator(FLAP, ManualClock(), pins) as flap:
        flap.home(lambda: None)
        flap.deliver("glass", lambda: open_over.append(simulated.open_over()))
    assert "glass" in open_over
    assert "residual" not in open_over, "the flap never opens over the wrong compartment"
    assert max(angles_sent(pins, 17)) == pytest.approx(FLAP.open_deg)
    assert angles_sent(pins, 17)[-1] == pytest.approx(FLAP.closed_deg)
    assert angles_sent(pins, 18)[-1] == pytest.approx(80)


def test_a_servo_never_moves_faster_than_its_ramp(pins: Any) -> None:
    with FlapActuator(FLAP, ManualClock(), pins) as flap:
        flap.home(lambda: None)
        flap.deliver("glass", lambda: None)
        angles = angles_sent(pins, 17)
    strides = [abs(b - a) for a, b in pairwise(angles)]
    assert max(strides) <= FLAP.speed_deg_s * 0.02 + 1e-3


def test_neutral_closes_the_flap_and_stops_the_pulses_of_both_servos(pins: Any) -> None:
    def jam() -> None:
        if angles_sent(pins, 17)[-1] > 30:
            raise MotionStalled("stuck")

    with FlapActuator(FLAP, ManualClock(), pins) as flap:
        flap.home(lambda: None)
        with pytest.raises(MotionStalled):
            flap.deliver("glass", jam)
        flap.neutral()
        assert angles_sent(pins, 17)[-1] == pytest.approx(FLAP.closed_deg)
        assert pins.pin(17).frequency is None
        assert pins.pin(18).frequency is None


def test_leaving_the_flap_closes_it_even_when_it_stood_open(pins: Any) -> None:
    with FlapActuator(FLAP, ManualClock(), pins) as flap:
        flap.home(lambda: None)
        with pytest.raises(MotionStalled):
            flap.deliver(
                "glass", lambda: (_ for _ in ()).throw(MotionStalled("now")) if angles_sent(pins, 17)[-1] > 60 else None
            )
    assert angles_sent(pins, 17)[-1] == pytest.approx(FLAP.closed_deg)


def test_neutral_never_raises_even_when_the_flap_was_never_opened(pins: Any) -> None:
    flap = FlapActuator(FLAP, ManualClock(), pins)
    flap.neutral()
    with pytest.raises(HardwareError, match="not open"):
        flap.deliver("glass", lambda: None)
    with flap:
        flap.neutral()
        flap.neutral()


def test_nothing_moves_when_the_pins_are_claimed(pins: Any) -> None:
    with FlapActuator(FLAP, ManualClock(), pins):
        assert angles_sent(pins, 17) == []


def test_a_pin_that_is_taken_is_a_clear_error(pins: Any) -> None:
    with (
        FlapActuator(FLAP, ManualClock(), pins),
        pytest.raises(HardwareError, match="servo on pin 17"),
        FlapActuator(FLAP, ManualClock(), pins),
    ):
        pass


def test_a_pin_factory_that_this_machine_lacks_is_fatal_and_names_what_to_do() -> None:
    with pytest.raises(HardwareError, match=r"pin_factory lgpio: .*(pip install lgpio|no such pins)"):
        open_pin_factory("lgpio")


@pytest.mark.parametrize("name", ["rpigpio", "pigpio", "native"])
def test_a_raspberry_pi_5_is_driven_by_lgpio_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def board(revision: str) -> Any:
        return MockFactory(revision=revision, pin_class=MockPWMPin)

    opened: list[str] = []
    module = SimpleNamespace(Factory=lambda: board(opened[-1]))
    monkeypatch.setattr(pins_module, "import_module", lambda _: module)
    monkeypatch.setitem(pins_module._FACTORIES, name, ("module", "Factory"))
    opened.append("c04170")  # a Raspberry Pi 5, as its revision code says
    with pytest.raises(HardwareError, match=f"pin_factory {name}: a Raspberry Pi 5 needs another"):
        open_pin_factory(name)
    opened.append("c03111")  # a Raspberry Pi 4
    open_pin_factory(name).close()


def test_a_cut_wire_reads_as_an_open_lid(pins: Any) -> None:
    lid = SwitchSensor(Switch(role="lid", pin=5, debounce_s=0), pins, ManualClock())
    assert lid.active(), "nothing pulls the pin low: cut wire or open lid"
    pins.pin(5).drive_low()
    assert not lid.active()
    lid.close()
