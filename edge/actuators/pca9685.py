"""A PCA9685 board: sixteen outputs for servos on the I2C bus.

Registers and timing after NXP's data sheet, PCA9685 Rev. 4 (16 April 2015), chapters 7.3.1 (MODE1), 7.3.3 (LEDn_ON,
LEDn_OFF) and 7.3.5 (PRE_SCALE). The chip counts 4096 ticks a period; LEDn_ON and LEDn_OFF say at which of them an
output goes high and low. Its 25 MHz oscillator is good to a few per cent: a servo's exact angle is set with `pulse_ms`.
"""

from __future__ import annotations

from typing import Any, Protocol

from edge.domain import Clock
from edge.errors import HardwareError

MODE1, LED0_ON_L, ALL_LED_OFF_H, PRE_SCALE = 0x00, 0x06, 0xFD, 0xFE
SLEEP, AUTO_INCREMENT, FULL_OFF = 0x10, 0x20, 0x10
OSCILLATOR_HZ, TICKS, FRAME_HZ = 25_000_000, 4096, 50
PRE_SCALE_50_HZ = round(OSCILLATOR_HZ / (TICKS * FRAME_HZ)) - 1
WAKE_S = 0.0005
"""The oscillator needs 500 µs after SLEEP is cleared."""


class I2cBus(Protocol):
    """What is used of `smbus2.SMBus`. Its methods raise OSError when no board answers."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int: ...

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None: ...

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None: ...

    def close(self) -> None: ...


class Pca9685:
    """One board at 50 Hz, the rate of servos. All outputs are off until told otherwise."""

    def __init__(self, bus: I2cBus, address: int, clock: Clock) -> None:
        self._bus = bus
        self._address = address
        self._clock = clock
        self._start()

    def pulse(self, channel: int, width_ms: float) -> None:
        """Repeat a pulse of that width every 20 ms.

        Raises:
            HardwareError: the board does not answer, or has lost power since it was started.
        """
        self._check_awake()
        high = round(width_ms / 1000 * FRAME_HZ * TICKS)
        self._write(LED0_ON_L + 4 * channel, [0, 0, high & 0xFF, high >> 8])

    def off(self, channel: int) -> None:
        """No pulses any more: the servo goes limp."""
        self._write(LED0_ON_L + 4 * channel, [0, 0, 0, FULL_OFF])

    def _start(self) -> None:
        self._write(MODE1, [SLEEP | AUTO_INCREMENT])  # PRE_SCALE can only be written while the oscillator is off
        self._write(PRE_SCALE, [PRE_SCALE_50_HZ])
        self._write(ALL_LED_OFF_H, [FULL_OFF])
        self._write(MODE1, [AUTO_INCREMENT])
        self._clock.sleep(WAKE_S)
        found = self._read(PRE_SCALE)
        if found != PRE_SCALE_50_HZ:
            raise HardwareError(
                f"the chip at I2C address {self._address:#x} is no PCA9685: PRE_SCALE reads {found}, "
                f"{PRE_SCALE_50_HZ} was written; check actuator.i2c_bus and the board's address"
            )

    def _check_awake(self) -> None:
        """A board that lost power wakes up asleep, which is the reset value of MODE1: its pulses would go nowhere."""
        if self._read(MODE1) & SLEEP:
            self._start()
            raise HardwareError(
                f"the PCA9685 board at I2C address {self._address:#x} has lost power in between; check its supply"
            )

    def _read(self, register: int) -> int:
        try:
            return self._bus.read_byte_data(self._address, register)
        except OSError as error:
            raise self._silent(error) from error

    def _write(self, register: int, values: list[int]) -> None:
        try:
            if len(values) == 1:
                self._bus.write_byte_data(self._address, register, values[0])
            else:
                self._bus.write_i2c_block_data(self._address, register, values)
        except OSError as error:
            raise self._silent(error) from error

    def _silent(self, error: OSError) -> HardwareError:
        return HardwareError(
            f"the PCA9685 board at I2C address {self._address:#x} does not answer ({error}); "
            "check its wires and power, and list what is there with i2cdetect -y BUS"
        )


def open_bus(number: int, pin_factory: Any) -> I2cBus:
    """The I2C bus of that number; with gpiozero's mock pins, the recording stand-in that belongs to them.

    Raises:
        HardwareError: there is no such bus, or this user may not use it.
    """
    from edge.sim.pins import SimulatedPins

    if isinstance(pin_factory, SimulatedPins):
        return pin_factory.i2c(number)
    from smbus2 import SMBus

    try:
        bus: I2cBus = SMBus(number)
    except OSError as error:
        raise HardwareError(
            f"actuator.i2c_bus {number}: {error}; switch I2C on (raspi-config) and list the buses with i2cdetect -l"
        ) from error
    return bus
