"""Gates on mock pins."""

from __future__ import annotations

from edge.sim.mechanism import MechanismFault
from tests.mechanisms import Rig


def nothing() -> None:
    """A step that allows everything."""


def test_a_coil_is_on_for_as_long_as_its_gate_is_held_and_no_longer() -> None:
    rig = Rig("gates")
    with rig.actuator as actuator:
        actuator.home(nothing)
        on: list[float] = []
        rig.pins.pin(22).listeners.append(lambda _: on.append(rig.clock.monotonic_s()))
        actuator.deliver("glass", nothing)
    [went_on_s, went_off_s] = on
    assert abs(went_off_s - went_on_s - rig.config.hold_open_s) < 0.03


def test_a_coil_that_is_on_while_its_pin_is_low_is_off_from_the_start() -> None:
    gates = {"glass": {"type": "solenoid", "pin": 22, "active_high": False}}
    rig = Rig("gates", positions=gates)
    with rig.actuator as actuator:
        assert rig.pins.pin(22).state == 1
        open_over = []
        actuator.deliver("glass", lambda: open_over.append(rig.simulated.open_over()))
        assert "glass" in open_over
        assert rig.pins.pin(22).state == 1


def test_only_one_servo_has_current_at_a_time() -> None:
    rig = Rig("gates")
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, len(rig.currents()))

    with rig.actuator as actuator:
        actuator.home(look)
        for compartment in actuator.compartments:
            actuator.deliver(compartment, look)
            actuator.neutral()
    assert most == 1


def test_an_unpowered_gate_keeps_the_item_although_the_pulses_come() -> None:
    rig = Rig("gates")
    rig.simulated.fault = MechanismFault.UNPOWER
    opened: set[str | None] = set()
    with rig.actuator as actuator:
        actuator.home(nothing)
        for compartment in actuator.compartments:
            actuator.deliver(compartment, lambda: opened.add(rig.simulated.open_over()))
    assert opened == {None}
