"""A stepper motor behind a step/direction driver, with a home switch on what it turns.

The driver takes a step on each rising edge of STEP. Both common ones want STEP high and low for at most 2 µs and the
direction settled 0.65 µs before (A4988: Allegro, "DMOS Microstepping Driver", Figure 1; DRV8825: TI SLVSA73F, chapter
6.6): less than Python needs between two pins. A stepper has no feedback: only the switch tells whether it turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gpiozero import DigitalInputDevice, DigitalOutputDevice
from gpiozero.exc import GPIOZeroError

from edge.config import Carousel
from edge.domain import Clock
from edge.errors import HardwareError, HomeLost

TICK_S = 0.02
"""So often the guard is asked while the motor turns."""


def ramp_s(steps: int, start_steps_s: float, top_steps_s: float, acceleration_steps_s2: float) -> Iterator[float]:
    """The pauses after each of so many steps, in seconds: speeds up, keeps the top speed, slows down."""
    for number in range(steps):
        from_an_end = min(number, steps - 1 - number)
        speed = (start_steps_s**2 + 2 * acceleration_steps_s2 * from_an_end) ** 0.5
        yield 1.0 / min(speed, top_steps_s)


class HomedStepper:
    """A turning thing that knows where it stands since `find_home`. at_steps: forward from where the switch closes."""

    def __init__(self, config: Carousel, clock: Clock, pin_factory: Any) -> None:
        self._config = config
        self._clock = clock
        self._pin_factory = pin_factory
        per_deg = config.steps_per_turn / 360.0
        self._width = config.home.width_deg * per_deg
        self._tolerance = config.home.tolerance_deg * per_deg
        self._opened: list[DigitalInputDevice | DigitalOutputDevice] = []
        self.at_steps: int | None = None

    def open(self) -> None:
        """Claim the pins; the driver stays off.

        Raises:
            HardwareError: a pin is in use, or does not exist.
        """
        config = self._config
        try:
            self._step = self._claim(DigitalOutputDevice, config.step_pin)
            self._direction = self._claim(DigitalOutputDevice, config.direction_pin)
            self._enable = None
            if config.enable_pin is not None:
                self._enable = self._claim(DigitalOutputDevice, config.enable_pin, active_high=False)
            self._home = self._claim(DigitalInputDevice, config.home.pin, pull_up=config.home.pull_up)
        except GPIOZeroError as error:
            self.close()
            raise HardwareError(f"stepper: {error}; expected free pins for step, direction, enable and home") from error

    def close(self) -> None:
        """Give the pins back; may be called twice."""
        while self._opened:
            self._opened.pop().close()

    def release(self) -> None:
        """Switch the driver off: the motor neither holds nor heats."""
        if self._opened and self._enable is not None:
            self._enable.off()

    def find_home(self, step: Callable[[], None]) -> None:
        """Turn forward to where the switch closes, then on to the middle of it.

        Raises:
            HomeLost: the switch never opens, or never closes, within more than a turn.
        """
        self.at_steps = None
        self._power(forward=True)
        turn = round(1.1 * self._config.steps_per_turn)
        for closed, what in ((False, "open"), (True, "close")):
            if not self._search(closed, turn, step):
                raise HomeLost(
                    f"the home switch on pin {self._config.home.pin} does not {what} within a turn of the carousel; "
                    "check the motor's power, its driver and the switch's wires"
                )
        self.at_steps = 0
        self.rest(step)

    def rest(self, step: Callable[[], None]) -> None:
        """Turn to the middle of the home switch, and see that it is there."""
        self.turn_to(round(self._width / 2), step)

    def turn_to(self, target_steps: int, step: Callable[[], None]) -> None:
        """Turn there the shortest way round, comparing the switch with what it should say.

        Raises:
            HomeLost: the switch is closed where it should be open, or the other way round.
            HardwareError: it was not homed.
        """
        if self.at_steps is None:
            raise HardwareError("the carousel was asked to turn before it was homed")
        turn, config = self._config.steps_per_turn, self._config
        self._expect(self.at_steps)
        way = (target_steps - self.at_steps + turn // 2) % turn - turn // 2
        self._power(forward=way > 0)
        left_s = 0.0
        for pause_s in ramp_s(abs(way), config.start_steps_s, config.top_steps_s, config.acceleration_steps_s2):
            if left_s <= 0.0:
                self._expect(self.at_steps)
                step()
                left_s = TICK_S
            self._pulse(pause_s)
            self.at_steps = (self.at_steps + (1 if way > 0 else -1)) % turn
            left_s -= pause_s
        self._expect(self.at_steps)

    def _search(self, closed: bool, limit: int, step: Callable[[], None]) -> bool:
        """Turn slowly until the switch is so; False when it is not within so many steps."""
        pause_s, left_s = 1.0 / self._config.start_steps_s, 0.0
        for _ in range(limit):
            if bool(self._home.value) == closed:
                return True
            if left_s <= 0.0:
                step()
                left_s = TICK_S
            self._pulse(pause_s)
            left_s -= pause_s
        return bool(self._home.value) == closed

    def _expect(self, at_steps: int) -> None:
        turn = self._config.steps_per_turn
        closed = bool(self._home.value)
        inside = self._tolerance <= at_steps <= self._width - self._tolerance
        outside = self._width + self._tolerance <= at_steps <= turn - self._tolerance
        if (inside and not closed) or (outside and closed):
            self.at_steps = None
            raise HomeLost(
                f"the home switch is {'closed' if closed else 'open'} at {at_steps * 360 / turn:.1f} degrees, where it "
                f"should be {'open' if closed else 'closed'}: the carousel is not where it was sent; "
                "something blocks it, the motor lost steps, or it was turned by hand"
            )

    def _power(self, *, forward: bool) -> None:
        if self._enable is not None:
            self._enable.on()
        self._direction.value = forward != self._config.reverse

    def _pulse(self, pause_s: float) -> None:
        self._step.on()
        self._step.off()
        self._clock.sleep(pause_s)

    def _claim(self, device: Any, pin: int, **options: Any) -> Any:
        claimed = device(pin, pin_factory=self._pin_factory, **options)
        self._opened.append(claimed)
        return claimed
