"""Is a frame fit to be judged? What can be wrong with a camera that still gives fresh pictures.

    frozen        every pixel has stayed what it was: a driver that repeats its last picture (sensors always have noise)
    dark, overexposed   nothing to see: from the grey levels of the frame alone
    blurred       the fine structure of the empty tray and its rim is gone where the coarse one is still in place
    moved         the coarse structure is elsewhere; or nowhere, for long: a large item may hide it

The last two compare with the empty tray, learnt when the bin says that it is empty. The picture is cut into tiles, and
only tiles that held their structure while it was learnt have a say, each for itself: an item, a hand or a shadow covers
some tiles and leaves the others as they were; a lens or a mount changes all of them. Structure is compared by
correlation, which light does not change.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import CameraCondition
from edge.domain import Box, Frame, RgbImage

Plane = NDArray[np.float32]
"""(H, W) float32, grey levels."""

TILE_PX = 16
TILES_ACROSS = 10
FINEST = 4  # the fine copy has up to so many times the pixels of the coarse one, a side: sharpness shows there
LEARN_FRAMES, TRIAL_FRAMES = 10, 5
TELLING_MATCH = 0.8  # a tile must be as like itself in every trial frame to have a say
TELLING_SIGNAL = 4.0  # and hold so many times the noise's power to have one in sharpness
MIN_TELLING = 6  # tiles; with fewer the tray is too plain to judge by
IN_PLACE = 0.7  # correlation of a tile that shows what was learnt
ROUGHLY_IN_PLACE = 0.4  # the same through a bad lens
MOSTLY, FOUND = 0.9, 1 / 3  # shares of the telling tiles: so many in place, nothing moved; found elsewhere, it did
SLIDE = 0.005  # what a pixel further away costs in correlation
REACH_PX = 8  # how far around the common shift a tile is looked for: a turned or nearer view shifts tiles unequally
MARGIN = 0.1  # the tray's rim tells most of where it lies; share of the region's longer side
CHECK_S = 0.2  # blurred and moved are judged this often
LIGHT_S = 0.3  # dark or overexposed for so long is a fault
LONGEST_STEP_S = 1.0  # what a time without frames counts at most
ADAPT_EVERY_S, ADAPT_S = 60.0, 86_400.0  # what was learnt follows dirt and scratches within a day or so, not fog
DARK_SHARE, WHITE = 0.95, 250


class Condition(Enum):
    """What is wrong with a frame. The value is the fault's code."""

    FROZEN = "camera_frozen"
    DARK = "camera_dark"
    OVEREXPOSED = "camera_overexposed"
    BLURRED = "camera_blurred"
    MOVED = "camera_moved"


class Verdict(NamedTuple):
    """standing: has held for long enough to be told. unfit: why this frame must not be used, at once."""

    standing: frozenset[Condition]
    unfit: frozenset[Condition]


class ConditionModel:
    """Fed every frame; takes the time from the frames. Not for several threads.

    region: the tray in the picture, x0, y0, x1, y1 as shares of width and height.
    """

    def __init__(self, config: CameraCondition, region: tuple[float, float, float, float]) -> None:
        self._config = config
        self._region = region
        self._holds = {
            Condition.FROZEN: _Hold(config.frozen_s, config.clear_s),
            Condition.DARK: _Hold(LIGHT_S, config.clear_s),
            Condition.OVEREXPOSED: _Hold(LIGHT_S, config.clear_s),
            Condition.BLURRED: _Hold(config.view_s, config.clear_s),
            Condition.MOVED: _Hold(config.view_s, config.clear_s),
        }
        self._lost = _Hold(config.lost_s, config.clear_s)
        self._before: Frame | None = None
        self._small_before: RgbImage | None = None
        self._verdict = Verdict(frozenset(), frozenset())
        self.forget()

    def forget(self) -> None:
        """Learn the empty tray anew. What its comparison said is over; the rest goes by the frames alone."""
        self._reference: _Reference | None = None
        self._learning: list[_Look] = []
        self._trials: list[_Look] = []
        self._checked_s = self._adapted_s = -np.inf
        self._blurred = self._moved = self._nowhere = False
        for hold in (self._holds[Condition.BLURRED], self._holds[Condition.MOVED], self._lost):
            hold.reset()

    def judge(self, frame: Frame) -> Verdict:
        """What is wrong with this frame, given those before it. The same frame again changes nothing."""
        before, self._before = self._before, frame
        if before is not None and frame.seq == before.seq:
            return self._verdict
        small = self._small(frame.rgb)
        identical = before is not None and self._small_before is not None and np.array_equal(small, self._small_before)
        self._small_before = small
        if before is not None and frame.rgb.shape != before.rgb.shape:
            self.forget()
            before = None
        step_s = 0.0 if before is None else min(LONGEST_STEP_S, max(0.0, frame.captured_s - before.captured_s))
        seen = self._light(small)
        lit = not seen
        if lit:
            # Black and white have no noise, and no structure: what is frozen, blurred or moved does not show in them.
            self._compare(frame)
            found = {Condition.FROZEN: identical, Condition.BLURRED: self._blurred, Condition.MOVED: self._moved}
            seen |= {condition for condition, is_so in found.items() if is_so}
        standing = {condition for condition, hold in self._holds.items() if hold.update(condition in seen, step_s)}
        if self._lost.update(self._nowhere and lit, step_s):
            standing.add(Condition.MOVED)
        at_once = seen - {Condition.FROZEN}  # a picture that comes twice is only suspicious
        self._verdict = Verdict(frozenset(standing), frozenset(standing | at_once))
        return self._verdict

    def learn(self, frame: Frame) -> None:
        """The bin sees the tray empty in this frame."""
        if self._reference is not None:
            if frame.captured_s - self._adapted_s >= ADAPT_EVERY_S and not self._verdict.unfit:
                if np.isfinite(self._adapted_s):
                    self._reference.adapt(self._looked_at(frame.rgb))
                self._adapted_s = frame.captured_s
        elif len(self._learning) < LEARN_FRAMES:
            self._learning.append(self._looked_at(frame.rgb))
        else:
            self._trials.append(self._looked_at(frame.rgb))
            if len(self._trials) == TRIAL_FRAMES:
                self._reference = _Reference(self._learning, self._trials)
                self._learning, self._trials = [], []

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

    def _looked_at(self, rgb: RgbImage) -> _Look:
        return _Look.at(cut_region(rgb, self._region, MARGIN))

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


class _Look(NamedTuple):
    """luma, coarse: (16 r, 16 c) float32. fine: a whole multiple of that size. r by c are the tiles."""

    luma: Plane
    coarse: Plane  # luma without what is larger or smaller than some pixels
    fine: Plane  # second derivative of the fine copy

    @classmethod
    def at(cls, rgb: RgbImage) -> _Look:
        height, width = rgb.shape[:2]
        across, down = TILE_PX * TILES_ACROSS, TILE_PX * max(1, round(TILES_ACROSS * height / width))
        times = min(FINEST, max(1, width // across))
        while rgb.shape[1] >= 2 * times * across and rgb.shape[0] >= 2 * times * down:
            rgb = np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (times * across, times * down))
        luma = cv2.resize(grey, (across, down), interpolation=cv2.INTER_AREA).astype(np.float32)
        coarse = cv2.GaussianBlur(luma, (0, 0), 1.0) - cv2.GaussianBlur(luma, (0, 0), 4.0)
        return cls(luma, np.asarray(coarse, np.float32), np.asarray(cv2.Laplacian(grey, cv2.CV_32F), np.float32))


class _Reference:
    """The empty tray as it looked when it was good. Tiles are (r, c) arrays."""

    def __init__(self, frames: list[_Look], trials: list[_Look]) -> None:
        luma, coarse, fine = (np.asarray(np.mean(planes, axis=0), np.float32) for planes in zip(*frames, strict=True))
        self._look = _Look(luma, coarse, fine)
        # Trials were not averaged into the reference: noise correlates with itself, and would seem to tell.
        self._telling = np.all([self._matches(look) >= TELLING_MATCH for look in trials], axis=0)
        self._noise = np.mean([_sums((look.fine - self._look.fine) ** 2) for look in trials], axis=0)
        self._fine = self._telling & (_sums(self._look.fine**2) >= TELLING_SIGNAL * self._noise)

    def adapt(self, look: _Look) -> None:
        """Follow slow changes, a small step at a time."""
        for learnt, now in zip(self._look, look, strict=True):
            cv2.accumulateWeighted(now, learnt, ADAPT_EVERY_S / ADAPT_S)

    def sharpness(self, look: _Look) -> float:
        """Fine structure as a share of what was learnt, from the tiles that show roughly what they did; 1 with too few.

        The best quarter of the tiles speaks: an item or its shadow hides the structure of some.
        """
        tiles = self._fine & (self._matches(look) >= ROUGHLY_IN_PLACE)
        if np.count_nonzero(tiles) < max(MIN_TELLING, np.count_nonzero(self._fine) / 4):
            return 1.0
        light = np.median(_sums(look.luma)[tiles] / np.maximum(_sums(self._look.luma)[tiles], 1.0))
        left = np.maximum(_sums(look.fine**2) - self._noise, 0.0)[tiles] / _sums(self._look.fine**2)[tiles]
        return float(np.sqrt(np.percentile(left, 75)) / max(float(light), 0.05))

    def shift(self, look: _Look) -> float | None:
        """By how much the view has moved, as a share of its width; None when nothing of it is found.

        A turn or another distance shifts the tiles unequally; those shifted most have a say, a quarter left aside.
        """
        telling = np.argwhere(self._telling)
        in_place = np.mean(self._matches(look)[self._telling] >= IN_PLACE) if len(telling) else 1.0
        if len(telling) < MIN_TELLING or in_place >= MOSTLY:
            return 0.0
        window = cv2.createHanningWindow(look.coarse.shape[::-1], cv2.CV_32F)
        # On copies: OpenCV multiplies the window into what it is given.
        (across, down), _ = cv2.phaseCorrelate(self._look.coarse.copy(), look.coarse.copy(), window)
        # An item may have drawn the common shift to itself, and a turned view has none: first without.
        for guess in ((0, 0), (round(across), round(down))):
            found = [place for tile in telling if (place := self._find(look, tile, guess)) is not None]
            if len(found) >= max(MIN_TELLING, FOUND * len(telling)):
                away_px = np.hypot(*np.transpose(found))
                return float(np.percentile(away_px, 75)) / float(look.coarse.shape[1])
        return None

    def _find(self, look: _Look, tile: NDArray[np.int64], guess: tuple[int, int]) -> tuple[int, int] | None:
        """How far from its place one tile lies, right and down in pixels, within reach of the guess."""
        y, x = (int(at) * TILE_PX for at in tile)
        pattern = self._look.coarse[y : y + TILE_PX, x : x + TILE_PX]
        left, top = max(0, x + guess[0] - REACH_PX), max(0, y + guess[1] - REACH_PX)
        right, bottom = x + guess[0] + TILE_PX + REACH_PX, y + guess[1] + TILE_PX + REACH_PX
        area = look.coarse[top : max(0, bottom), left : max(0, right)]
        if min(area.shape) < TILE_PX:
            return None  # out of the picture
        match = cv2.matchTemplate(area, pattern, cv2.TM_CCOEFF_NORMED)
        down, across = np.indices(match.shape) + np.array([top - y, left - x]).reshape(2, 1, 1)
        # A straight edge looks the same all along itself: the nearest place counts.
        likely = match - SLIDE * np.hypot(across - guess[0], down - guess[1])
        best = np.unravel_index(int(np.argmax(likely)), match.shape)
        return (int(across[best]), int(down[best])) if match[best] >= IN_PLACE else None

    def _matches(self, look: _Look) -> NDArray[np.float32]:
        """Correlation of each tile's coarse structure with the learnt, -1..1."""
        learnt, now = self._look.coarse, look.coarse
        # + 1 grey level: a tile without structure is like nothing.
        energy = np.sqrt(_sums(learnt * learnt) * _sums(now * now)) + TILE_PX * TILE_PX
        return np.asarray(_sums(learnt * now) / energy)


def _sums(plane: Plane) -> NDArray[np.float32]:
    """(H, W) → (r, c), the sum over each tile."""
    across = TILES_ACROSS
    down = max(1, round(plane.shape[0] / (plane.shape[1] / across)))
    return np.asarray(plane.reshape(down, plane.shape[0] // down, across, -1).sum(axis=(1, 3)))


def cut_region(rgb: RgbImage, region: tuple[float, float, float, float], margin: float = 0.0) -> RgbImage:
    """(H, W, 3) → a part of it, a view. region: shares of width and height. margin: share of its longer side."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = region
    box = Box(round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
    return box.grown(margin, (height, width)).cut(rgb)
