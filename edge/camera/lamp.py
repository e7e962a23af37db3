"""The lamp over the tray, and whether it still lights it.

Put out for a moment, the picture must darken. One that does not, and shows the tray all the same, has a dead lamp; one
that is dark lit or not has a covered lens. The check runs at boot, once a night, when the picture turns dark or dim
and when it is light again, and from time to time while something is wrong; always between items, and on the loop's own
thread, so that no frame of it is ever classified.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from statistics import fmean
from typing import Any

from gpiozero import DigitalOutputDevice
from gpiozero.exc import GPIOZeroError

from edge import config
from edge.camera.light import Level, TrayLight
from edge.domain import Camera, Clock
from edge.errors import CameraError, HardwareError, StaleFrame
from edge.faults import Faults
from edge.live import Live

STROBES = 2  # a passing shadow answers once
POLL_S = 0.02
APART_S, AGAIN_S = 10.0, 60.0  # checks are so far apart at least; and at most while something is wrong
WHITE = 235.0  # mean grey level of a lit tray on which a lamp could not be seen

DEAD_REMEDY = (
    "replace the lamp; check its wiring, its transistor or relay, and lamp.pin and lamp.active_high. To sort by the "
    "light that is left, and after a new lamp on an empty tray: python -m edge ctl learn-empty"
)
COVERED_REMEDY = "uncover and clean the lens; if it is free, the lamp is dead in a dark room: replace it"


class Lamp:
    """One lamp on a pin, lit from entering to leaving."""

    def __init__(self, config: config.Lamp, pin_factory: Any) -> None:
        self._config = config
        self._pin_factory = pin_factory
        self._device: Any = None

    def __enter__(self) -> Lamp:
        config = self._config
        try:
            self._device = DigitalOutputDevice(
                config.pin, active_high=config.active_high, initial_value=True, pin_factory=self._pin_factory
            )
        except GPIOZeroError as error:
            raise HardwareError(f"lamp on pin {config.pin}: {error}; expected a free output pin") from error
        return self

    def __exit__(self, *exc: object) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None

    def light(self) -> None:
        self._device.on()

    def put_out(self) -> None:
        self._device.off()


class LampCheck:
    """Implements `edge.domain.Chore`. Not for several threads."""

    def __init__(
        self,
        config: config.Config,
        lamp: Lamp,
        camera: Camera,
        light: TrayLight,
        faults: Faults,
        live: Live,
        clock: Clock,
    ) -> None:
        assert config.lamp is not None
        self._config = config
        self._settle_s = config.lamp.settle_s
        self._min_answer = config.lamp.min_answer
        self._night_from = timedelta(hours=config.lamp.check_hour)
        self._lamp = lamp
        self._camera = camera
        self._light = light
        self._faults = faults
        self._live = live
        self._clock = clock
        self._checked: tuple[date, bool, bool] | None = None
        self._checked_s = -math.inf
        self._again_s = math.inf

    def tend(self) -> None:
        """Check the lamp if it is due and no item is on its way."""
        dark = any(fault.code == "camera_dark" for fault in self._faults.standing())
        dim = self._light.dim
        between_items = dark or dim or self._live.snapshot().phase in ("starting", "waiting")
        occasion = ((self._clock.utc().astimezone() - self._night_from).date(), dark, dim)
        now_s = self._clock.monotonic_s()
        due = occasion != self._checked or now_s >= self._again_s
        if not (due and between_items and now_s - self._checked_s >= APART_S):
            return
        try:
            self._light.trusted = self._check()
            again_s = math.inf if self._light.trusted else AGAIN_S
        except CameraError:
            again_s = APART_S  # the loop meets it again, and says so
        self._checked, self._checked_s = occasion, self._clock.monotonic_s()
        self._again_s = self._checked_s + again_s

    def _check(self) -> bool:
        """Tell or clear the lamp's faults; whether the lamp was seen to work."""
        lit = self._light.level(self._camera.read_latest(self._config.max_frame_age_s))
        answers: list[float] = []
        try:
            for _ in range(STROBES):
                self._lamp.put_out()
                darkest = min(level.mean for level in self._watch())
                answers.append(lit.mean - darkest)
                self._lamp.light()
                lit = self._watch()[-1]
        finally:
            self._lamp.light()
        if lit.mean > WHITE:
            return False  # sunlight, say: nothing can be told
        if min(answers) >= self._min_answer:
            self._faults.clear("lamp_dead")
            self._faults.clear("camera_covered")
            return True
        said = f"mean grey level {lit.mean:.0f} with the lamp lit, {fmean(answers):.0f} less without"
        if lit.bright < self._config.camera_condition.dark_level:
            self._faults.clear("lamp_dead")
            self._faults.report("camera_covered", f"the picture is dark, lamp or not: {said}", COVERED_REMEDY)
        else:
            self._faults.clear("camera_covered")
            self._faults.report("lamp_dead", f"the tray looks the same, lamp or not: {said}", DEAD_REMEDY)
        return False

    def _watch(self) -> list[Level]:
        """The levels of the frames that come while the picture follows the lamp, at least one."""
        from_s, seq, levels = self._clock.monotonic_s(), -1, list[Level]()
        while (now_s := self._clock.monotonic_s()) < from_s + self._settle_s:
            self._clock.sleep(POLL_S)
            frame = self._camera.read_latest(self._config.max_frame_age_s)
            if frame.seq != seq and frame.captured_s > from_s:
                seq = frame.seq
                levels.append(self._light.level(frame))
        if not levels:
            raise StaleFrame(f"no new frame within {now_s - from_s:.2f} s; lamp.settle_s must span several frames")
        return levels
