"""A stand-in for `smbus2.SMBus` with PCA9685 boards on it, which keeps their registers as the data sheet says."""

from __future__ import annotations

from collections.abc import Callable

MODE1, LED0_ON_L, ALL_LED_ON_L, PRE_SCALE = 0x00, 0x06, 0xFA, 0xFE
RESET = {MODE1: 0x11, PRE_SCALE: 0x1E}
"""Values after power-on (NXP PCA9685 Rev. 4, tables 5 and 8): asleep, 200 Hz. All outputs are full off."""
TICKS, OSCILLATOR_HZ = 4096, 25_000_000


class SimulatedPca9685:
    """The registers of one board, and what its outputs do because of them."""

    def __init__(self) -> None:
        self.registers = [0] * 256
        self.reset()

    def reset(self) -> None:
        """Lose power, and get it back."""
        self.registers = [0] * 256
        for register, value in RESET.items():
            self.registers[register] = value
        for channel in range(16):
            self.registers[LED0_ON_L + 4 * channel + 3] = 0x10

    @property
    def asleep(self) -> bool:
        return bool(self.registers[MODE1] & 0x10)

    def write(self, register: int, values: list[int]) -> None:
        if len(values) > 1 and not self.registers[MODE1] & 0x20:
            raise OSError(121, "several bytes at once need the auto-increment of MODE1")
        for offset, value in enumerate(values):
            at = register + offset
            if not 0 <= value <= 0xFF or not 0 <= at <= 0xFF:
                raise ValueError(f"register {at:#x} = {value}: expected bytes")
            if at == PRE_SCALE and not self.asleep:
                continue  # blocked while the oscillator runs
            if ALL_LED_ON_L <= at < ALL_LED_ON_L + 4:
                for channel in range(16):
                    self.registers[LED0_ON_L + 4 * channel + at - ALL_LED_ON_L] = value
            else:
                self.registers[at] = value

    def pulse_ms(self, channel: int) -> float | None:
        """The width of the pulses on an output; None when there are none."""
        on_low, on_high, off_low, off_high = self.registers[LED0_ON_L + 4 * channel : LED0_ON_L + 4 * channel + 4]
        if self.asleep or off_high & 0x10:
            return None
        ticks = (off_low + 256 * (off_high & 0x0F)) - (on_low + 256 * (on_high & 0x0F))
        return ticks * (self.registers[PRE_SCALE] + 1) / OSCILLATOR_HZ * 1000


class RecordingBus:
    """Implements what `edge.actuators.pca9685.I2cBus` asks for. boards: by address; unplug one by taking it out."""

    def __init__(self) -> None:
        self.boards = {address: SimulatedPca9685() for address in range(0x40, 0x80)}
        self.listeners: list[Callable[[], None]] = []

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        return self._board(i2c_addr).registers[register]

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self.write_i2c_block_data(i2c_addr, register, [value])

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        self._board(i2c_addr).write(register, data)
        for listener in self.listeners:
            listener()

    def close(self) -> None:
        """The boards keep their registers: another process would find them so."""

    def _board(self, address: int) -> SimulatedPca9685:
        if address not in self.boards:
            raise OSError(121, "Remote I/O error")
        return self.boards[address]
