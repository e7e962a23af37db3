"""Servos on a PCA9685 board: the bytes on the bus, held against the data sheet's registers."""

from __future__ import annotations

from typing import Any

import pytest

from edge.actuators.pca9685 import Pca9685, open_bus
from edge.clock import ManualClock
from edge.errors import HardwareError
from edge.sim.i2c import RecordingBus
from tests.mechanisms import Rig

MODE1, LED0_ON_L, PRE_SCALE = 0x00, 0x06, 0xFE


@pytest.fixture
def bus() -> RecordingBus:
    return RecordingBus()


def test_a_board_is_set_to_50_hz_while_it_sleeps_and_woken_with_all_outputs_off(bus: RecordingBus) -> None:
    clock = ManualClock()
    Pca9685(bus, 0x40, clock)
    chip = bus.boards[0x40]
    assert chip.registers[PRE_SCALE] == 121, "25 MHz / (4096 × 50 Hz) - 1, rounded: the data sheet's equation 1"
    assert chip.registers[MODE1] == 0x20, "awake, auto-increment, no all-call address"
    assert clock.monotonic_s() >= 500e-6, "the oscillator was given its time"
    assert [chip.pulse_ms(channel) for channel in range(16)] == [None] * 16


@pytest.mark.parametrize(("width_ms", "ticks"), [(1.0, 205), (1.5, 307), (2.0, 410)])
def test_a_pulse_is_written_as_ticks_of_4096(bus: RecordingBus, width_ms: float, ticks: int) -> None:
    Pca9685(bus, 0x41, ManualClock()).pulse(3, width_ms)
    at = LED0_ON_L + 4 * 3
    assert bus.boards[0x41].registers[at : at + 4] == [0, 0, ticks & 0xFF, ticks >> 8]
    assert bus.boards[0x41].pulse_ms(3) == pytest.approx(width_ms, abs=0.01)


def test_off_sets_the_full_off_bit(bus: RecordingBus) -> None:
    board = Pca9685(bus, 0x40, ManualClock())
    board.pulse(15, 1.5)
    board.off(15)
    assert bus.boards[0x40].registers[LED0_ON_L + 63] == 0x10
    assert bus.boards[0x40].pulse_ms(15) is None


def test_a_board_that_lost_power_is_noticed_before_the_next_pulse(bus: RecordingBus) -> None:
    board = Pca9685(bus, 0x40, ManualClock())
    bus.boards[0x40].reset()
    with pytest.raises(HardwareError, match="0x40 has lost power"):
        board.pulse(0, 1.5)
    board.pulse(0, 1.5)
    assert bus.boards[0x40].pulse_ms(0) == pytest.approx(1.5, abs=0.01), "it was set up anew"


def test_a_board_that_is_not_there_is_a_clear_error(bus: RecordingBus) -> None:
    del bus.boards[0x40]
    with pytest.raises(HardwareError, match=r"0x40 does not answer .*i2cdetect"):
        Pca9685(bus, 0x40, ManualClock())


def test_another_chip_at_the_boards_address_is_noticed(bus: RecordingBus) -> None:
    class OtherChip(RecordingBus):
        def read_byte_data(self, i2c_addr: int, register: int) -> int:
            return 0

    with pytest.raises(HardwareError, match="is no PCA9685"):
        Pca9685(OtherChip(), 0x40, ManualClock())


def test_the_stand_in_keeps_the_data_sheets_rules(bus: RecordingBus) -> None:
    chip = bus.boards[0x40]
    bus.write_byte_data(0x40, MODE1, 0x00)
    bus.write_byte_data(0x40, PRE_SCALE, 50)
    assert chip.registers[PRE_SCALE] == 0x1E, "writes to PRE_SCALE are blocked while the oscillator runs"
    with pytest.raises(OSError, match="auto-increment"):
        bus.write_i2c_block_data(0x40, LED0_ON_L, [0, 0, 1, 1])


def test_a_bus_that_this_machine_lacks_is_fatal_and_names_what_to_do() -> None:
    with pytest.raises(HardwareError, match=r"actuator\.i2c_bus 31: .*i2cdetect -l"):
        open_bus(31, object())


def test_the_real_bus_has_the_methods_that_are_used() -> None:
    from smbus2 import SMBus

    real: Any = SMBus()
    for name in ("read_byte_data", "write_byte_data", "write_i2c_block_data", "close"):
        assert callable(getattr(real, name))


def test_neutral_lets_go_of_the_other_servos_when_a_board_is_gone() -> None:
    rig = Rig("gates")
    with rig.actuator as actuator:
        actuator.home(lambda: None)
        boards = rig.pins.i2c(1).boards
        actuator._gates["residual"].open(lambda: None)
        assert rig.pins.pin(17).frequency is not None
        actuator._gates = dict(reversed(actuator._gates.items()))  # the board that is gone comes first
        with pytest.raises(HardwareError, match="does not answer"):
            actuator.deliver("metal", lambda: boards.pop(0x40, None))
        actuator.neutral()
        assert rig.pins.pin(17).frequency is None
