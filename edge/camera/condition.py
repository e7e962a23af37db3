"""Is a frame fit to be judged? What can be wrong with a camera that still gives fresh pictures.

    frozen        every pixel has stayed what it was: a driver that repeats its last picture (sensors always have noise)
    dark, overexposed   nothing to see: from the grey levels of the frame alone
    blurred       the fine structure of the empty tray and its rim is gone where the coarse one is still in place
    moved         the coarse structure is elsewhere; or nowhere, for long: a large item may hide it
    garbled       it is nowhere, and nothing stays from one look to the next: noise, a plain colour, a covered lens

The last three compare with the empty tray, learnt when the bin says that it is empty. The picture is cut into tiles,
and only tiles that held their structure while it was learnt have a say, each for itself: an item, a hand or a shadow
covers some tiles and leaves the others as they were; a lens or a mount changes all of them. Structure is compared by
correlation, which light does not change.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import cv2
import numpy as np

from edge.camera.view import Lesson, Look, View, cut_region
from edge.camera.view_file import ViewFile
from edge.config import CameraCondition
from edge.domain import Frame, RgbImage

MARGIN = 0.1  # the tray's rim tells most of where it lies; share of the region's longer side
CHECK_S = 0.2  # blurred and moved are judged this often
LIGHT_S = 0.3  # dark or overexposed for so long is a fault
LONGEST_STEP_S = 1.0  # what a time without frames counts at most
KEEP_EVERY_S = 86_400.0
ADAPT_EVERY_S, ADAPT_S = 60.0, 86_400.0  # what was learnt follows dirt and scratches within a day or so, not fog
DARK_SHARE, WHITE = 0.95, 250
GARBLED_SHARE = 0.1  # of a picture stays at least this much, whatever moves before the camera


class Condition(Enum):
    """What is wrong with a frame. The value is the fault's code."""

    FROZEN = "camera_frozen"
    DARK = "camera_dark"
    OVEREXPOSED = "camera_overexposed"
    BLURRED = "camera_blurred"
    MOVED = "camera_moved"
    GARBLED = "camera_garbled"


class Verdict(NamedTuple):
    """standing: has held for long enough to be told. unfit: why this frame must not be used, at once."""

    standing: frozenset[Condition]
    unfit: frozenset[Condition]


class ConditionModel:
    """Fed every frame; takes the time from the frames. Not for several threads.

    region: the tray in the picture, x0, y0, x1, y1 as shares of width and height. file: keeps what was learnt over a
    restart.
    """

    def __init__(
        self, config: CameraCondition, region: tuple[float, float, float, float], file: ViewFile | None = None
    ) -> None:
        self._config = config
        self._region = region
        self._file = file
        self._holds = {
            Condition.FROZEN: _Hold(config.frozen_s, config.clear_s),
            Condition.DARK: _Hold(LIGHT_S, config.clear_s),
            Condition.OVEREXPOSED: _Hold(LIGHT_S, config.clear_s),
            Condition.BLURRED: _Hold(config.view_s, config.clear_s),
            Condition.MOVED: _Hold(config.view_s, config.clear_s),
            Condition.GARBLED: _Hold(config.view_s, config.clear_s),
        }
        self._lost = _Hold(config.lost_s, config.clear_s)
        self._before: Frame | None = None
        self._small_before: RgbImage | None = None
        self._verdict = Verdict(frozenset(), frozenset())
        self._start_anew()

    def forget(self) -> None:
        """Learn the empty tray anew. What its comparison said is over; the rest goes by the frames alone."""
        self._start_anew()
        if self._file is not None:
            self._file.forget()

    def _start_anew(self, reference: View | None = None) -> None:
        self._reference = reference
        self._lesson = Lesson()
        self._checked_s = self._adapted_s = self._saved_s = -np.inf
        self._blurred = self._moved = self._nowhere = self._garbled = False
        self._look_before: Look | None = None
        for condition in (Condition.BLURRED, Condition.MOVED, Condition.GARBLED):
            self._holds[condition].reset()
        self._lost.reset()

    def judge(self, frame: Frame) -> Verdict:
        """What is wrong with this frame, given those before it. The same frame again changes nothing."""
        before, self._before = self._before, frame
        if before is not None and frame.seq == before.seq:
            return self._verdict
        small = self._small(frame.rgb)
        identical = before is not None and self._small_before is not None and np.array_equal(small, self._small_before)
        self._small_before = small
        if before is None or frame.rgb.shape != before.rgb.shape:
            self._start_anew(self._kept(frame.rgb))
            before = None
        step_s = 0.0 if before is None else min(LONGEST_STEP_S, max(0.0, frame.captured_s - before.captured_s))
        seen = self._light(small)
        lit = not seen
        if lit:
            # Black and white have no noise, and no structure: what is frozen, blurred or moved does not show in them.
            self._compare(frame)
            found = {
                Condition.FROZEN: identical,
                Condition.BLURRED: self._blurred,
                Condition.MOVED: self._moved,
                Condition.GARBLED: self._garbled,
            }
            seen |= {condition for condition, is_so in found.items() if is_so}
        standing = {condition for condition, hold in self._holds.items() if hold.update(condition in seen, step_s)}
        if self._lost.update(self._nowhere and lit and not self._garbled, step_s):
            standing.add(Condition.MOVED)
        at_once = seen - {Condition.FROZEN}  # a picture that comes twice is only suspicious
        self._verdict = Verdict(frozenset(standing), frozenset(standing | at_once))
        return self._verdict

    def learn(self, frame: Frame) -> None:
        """The bin sees the tray empty in this frame."""
        if self._reference is not None:
            if frame.captured_s - self._adapted_s >= ADAPT_EVERY_S and not self._verdict.unfit:
                if np.isfinite(self._adapted_s):
                    self._reference.adapt(self._looked_at(frame.rgb), ADAPT_EVERY_S / ADAPT_S)
                    self._keep(frame)
                self._adapted_s = frame.captured_s
        else:
            self._reference = self._lesson.add(self._looked_at(frame.rgb))
            if self._reference is not None:
                self._lesson = Lesson()
                self._keep(frame)

    def _kept(self, rgb: RgbImage) -> View | None:
        """What was learnt before the restart, of such pictures."""
        arrays = None if self._file is None else self._file.load((*rgb.shape, *self._region))
        return None if arrays is None else View.of(arrays)

    def _keep(self, frame: Frame) -> None:
        """Once when it was learnt, then once a day: it changes slowly, and cards wear out."""
        if self._file is None or self._reference is None or frame.captured_s - self._saved_s < KEEP_EVERY_S:
            return
        self._saved_s = frame.captured_s
        self._file.save((*frame.rgb.shape, *self._region), self._reference.arrays())

    def _small(self, rgb: RgbImage) -> RgbImage:
        """Some of the tray's pixels as the sensor gave them, noise and all: (h, w, 3), w at most 319."""
        tray = cut_region(rgb, self._region)
        step = max(1, tray.shape[1] // 160)
        return np.ascontiguousarray(tray[::step, ::step])

    def _light(self, small: RgbImage) -> set[Condition]:
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        if np.count_nonzero(grey < self._config.dark_level) >= DARK_SHARE * grey.size:
            return {Condition.DARK}
        if np.count_nonzero(grey >= WHITE) > self._config.overexposed_share * grey.size:
            return {Condition.OVEREXPOSED}
        return set()

    def _looked_at(self, rgb: RgbImage) -> Look:
        return Look.at(cut_region(rgb, self._region, MARGIN))

    def _compare(self, frame: Frame) -> None:
        """With the empty tray, from time to time."""
        if self._reference is None or frame.captured_s - self._checked_s < CHECK_S:
            return
        self._checked_s = frame.captured_s
        look = self._looked_at(frame.rgb)
        self._blurred = self._reference.sharpness(look) < self._config.blurred_share
        # Where a blurred tray lies is not known well enough.
        shift = 0.0 if self._blurred else self._reference.shift(look)
        self._nowhere, self._moved = shift is None, shift is not None and shift > self._config.moved_share
        before, self._look_before = self._look_before, look
        # A large item hides the tray as well, but it stays what it is.
        self._garbled = self._nowhere and before is not None and before.left_in(look) < GARBLED_SHARE


class _Hold:
    """On when something has held for `raise_s`, off when it has not for `clear_s`."""

    def __init__(self, raise_s: float, clear_s: float) -> None:
        self._raise_s, self._clear_s = raise_s, clear_s
        self.reset()

    def reset(self) -> None:
        self._on, self._held_s = False, 0.0

    def update(self, seen: bool, step_s: float) -> bool:
        self._held_s = 0.0 if seen == self._on else self._held_s + step_s
        if seen != self._on and self._held_s >= (self._clear_s if self._on else self._raise_s):
            self._on, self._held_s = seen, 0.0
        return self._on
