"""How full the compartments are: distances from above, made levels, with a median and a hysteresis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edge.config import FillSensor
from edge.domain import Clock
from edge.faults import Faults

FAILED_REMEDY = (
    "check the sensor's wires and that nothing hangs in front of it; its compartment is sorted into as before"
)
MISSES = 3
"""So many measurements in a row without an echo are a failure: one may be a bag that swings."""


class Ranger(Protocol):
    """Measures a distance, while others do something else."""

    takes_s: float
    """So long after `begin`, `end` has an answer."""

    def begin(self) -> None: ...

    def end(self) -> float | None:
        """The median distance, cm; None without an echo."""
        ...


class FillLevel:
    """The level of one compartment. percent: None until it was measured. full: with hysteresis. failed: no echo."""

    def __init__(self, config: FillSensor) -> None:
        self._config = config
        self._misses = 0
        self.percent: float | None = None
        self.full = False

    @property
    def failed(self) -> bool:
        return self._misses >= MISSES

    def add(self, distance_cm: float | None) -> None:
        """A measurement. Without an echo, what was known stays."""
        if distance_cm is None:
            self._misses += 1
            return
        self._misses = 0
        config = self._config
        share = (config.empty_cm - distance_cm) / (config.empty_cm - config.full_cm)
        self.percent = 100.0 * min(1.0, max(0.0, share))
        if self.percent >= config.full_at_percent:
            self.full = True
        elif self.percent < config.free_at_percent:
            self.full = False


class FillMonitor:
    """A chore: measures one compartment after another, so that no sensor hears another's ping, and tells the levels."""

    def __init__(
        self,
        sensors: Sequence[FillSensor],
        rangers: Mapping[str, Ranger],
        faults: Faults,
        clock: Clock,
        publish: Callable[[str, int], None],
    ) -> None:
        self._sensors = {sensor.compartment: sensor for sensor in sensors}
        self._rangers = rangers
        self._faults = faults
        self._clock = clock
        self._publish = publish
        self.levels = {sensor.compartment: FillLevel(sensor) for sensor in sensors}
        self._due_s = dict.fromkeys(self.levels, clock.monotonic_s())
        self._measuring: tuple[str, float] | None = None  # which, and when it is done

    def full(self) -> frozenset[str]:
        """The compartments that take nothing more."""
        return frozenset(name for name, level in self.levels.items() if level.full)

    def percent(self) -> dict[str, float]:
        """Compartment → how full it is, of those that were measured."""
        return {name: level.percent for name, level in self.levels.items() if level.percent is not None}

    def tend(self) -> None:
        """Begin a measurement that is due, or end the one under way."""
        now_s = self._clock.monotonic_s()
        if self._measuring is not None:
            name, done_s = self._measuring
            if now_s >= done_s:
                self._measuring = None
                self._take(name, self._rangers[name].end())
            return
        name = min(self._due_s, key=lambda name: self._due_s[name])
        if now_s >= self._due_s[name]:
            self._due_s[name] = now_s + self._sensors[name].every_s
            self._rangers[name].begin()
            self._measuring = name, now_s + self._rangers[name].takes_s

    def _take(self, name: str, distance_cm: float | None) -> None:
        level = self.levels[name]
        level.add(distance_cm)
        if level.percent is not None:
            self._publish(name, round(level.percent))
        failed = [name for name, level in self.levels.items() if level.failed]
        if failed:
            self._faults.report(
                "fill_sensor_failed", f"no echo from the fill sensor of {', '.join(failed)}", FAILED_REMEDY
            )
        else:
            self._faults.clear("fill_sensor_failed")
