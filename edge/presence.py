"""Is there an item on the tray, where, and does it lie still? By comparison with the learnt empty tray.

Works on a small copy of the tray region, in luma and two colour differences (Y, Cr, Cb), from three comparisons:

    with the empty tray     what differs is foreground: luma, colour, or an outline (all that shows of clear glass)
    with the frame before   what changed is motion
    with the frame in which stillness began     so that a slow slide is not taken for stillness

A lamp that flickers or a camera that changes its exposure multiplies the whole picture by one gain, which is found and
taken out before comparing. A soft shadow dims without changing colour and has no outline; it is not foreground.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import Presence
from edge.domain import Box, Frame, Observation, RgbImage, TrayState

Planes = NDArray[np.float32]
"""(3, H, W) float32: luma 0..255, and the colour differences Cr and Cb about 0."""
Mask = NDArray[np.uint8]
"""(H, W) uint8: 0 or 255."""

WIDTH_PX = 160  # enough for a bottle cap on a tray, and 1 ms a frame
GAIN_RANGE = (0.7, 1.4)  # beyond it is no flicker: the lamp failed, or something covers the tray
KEEP_GAIN_SHARE = 0.2  # the gain before holds while it explains this share of the region
COLOUR, OUTLINE, MOTION = 1 / 3, 1 / 7, 1 / 2  # shares of config.difference; colour and outline vary less than luma
SHADOW_RANGE = (0.6, 1.0)  # luma of a soft shadow against the empty tray
JOIN = 0.05  # parts of an item may be this far apart, share of the region's width
ADAPT_S = 60.0  # time constant with which the empty tray follows slow changes


class PresenceModel:
    """Fed every frame, says what is on the tray. Takes the time from the frames; not for several threads."""

    def __init__(self, config: Presence) -> None:
        self._config = config
        self.forget()

    def forget(self) -> None:
        """Learn the empty tray anew from the next still frames. The tray must be empty."""
        self._empty: Planes | None = None
        self._learning: list[Planes] = []
        self._adapted_s: float | None = None
        self._gain = 1.0
        self._before: Planes | None = None
        self._still_from: tuple[Planes, float] | None = None  # the frame in which stillness began, and when
        self._observed: tuple[Frame, Observation] | None = None
        self._frame_shape: tuple[int, ...] = ()

    @property
    def learnt(self) -> bool:
        """Whether the empty tray is known."""
        return self._empty is not None

    def observe(self, frame: Frame) -> Observation:
        """What is on the tray in this frame, given those before it."""
        if self._observed is not None and self._observed[0] is frame:
            return self._observed[1]  # the same frame again is no proof of stillness
        if frame.rgb.shape != self._frame_shape:
            self.forget()
            self._frame_shape = frame.rgb.shape
        region = self._region(frame.rgb)
        planes = _planes(region.cut(frame.rgb))
        moving = self._before is None or self._changed(planes, self._before)  # one frame alone is no proof of stillness
        observation = self._judge(planes, moving, region, frame.captured_s)
        self._before = planes
        self._observed = (frame, observation)
        return observation

    def _judge(self, planes: Planes, moving: bool, region: Box, now_s: float) -> Observation:
        if self._empty is None:
            self._learn(planes, moving)
            return Observation(TrayState.MOTION if moving else TrayState.LEARNING, 0.0)
        self._gain = _gain(planes, self._empty, self._gain)
        mask = self._foreground(planes, self._empty)
        share = cv2.countNonZero(mask) / mask.size
        box = _full_frame_box(mask, region) if share >= self._config.min_area else None
        if moving or box is None:
            self._still_from = None
        if moving:
            return Observation(TrayState.MOTION, share, box)
        if box is None:
            self._adapt(planes, now_s)
            return Observation(TrayState.EMPTY, share)
        if self._still_from is None or self._changed(planes, self._still_from[0]):
            self._still_from = (planes, now_s)
        still = now_s - self._still_from[1] >= self._config.still_s
        return Observation(TrayState.STILL if still else TrayState.SETTLING, share, box)

    def _region(self, rgb: RgbImage) -> Box:
        height, width = rgb.shape[:2]
        x0, y0, x1, y1 = self._config.region
        left, top = min(int(x0 * width), width - 1), min(int(y0 * height), height - 1)
        return Box(left, top, max(left + 1, math.ceil(x1 * width)), max(top + 1, math.ceil(y1 * height)))

    def _learn(self, planes: Planes, moving: bool) -> None:
        if moving:
            self._learning.clear()
        self._learning.append(planes)
        if len(self._learning) >= self._config.learn_frames:
            self._empty = np.mean(self._learning, axis=0, dtype=np.float32)
            self._learning.clear()

    def _adapt(self, planes: Planes, now_s: float) -> None:
        """Follow slow changes (daylight, dust, a lens that warms up), only ever while the tray is empty."""
        assert self._empty is not None
        elapsed_s = 0.0 if self._adapted_s is None else min(1.0, max(0.0, now_s - self._adapted_s))
        self._adapted_s = now_s
        share = 1.0 - math.exp(-elapsed_s / ADAPT_S)
        self._empty += np.float32(share) * (planes - self._empty)

    def _changed(self, planes: Planes, before: Planes) -> bool:
        """Whether more than `motion_area` of the region changed."""
        luma, red, blue = np.abs(planes - _predicted(before, _gain(planes, before, 1.0)))
        threshold = self._config.difference
        changed = (luma > MOTION * threshold) | (np.maximum(red, blue) > COLOUR * threshold)
        return bool(np.count_nonzero(changed) > self._config.motion_area * changed.size)

    def _foreground(self, planes: Planes, empty: Planes) -> Mask:
        """Where an item is: the convex hulls of what differs, without specks."""
        threshold = self._config.difference
        expected = _predicted(empty, self._gain)
        luma = planes[0] - expected[0]
        dimmed = planes[0] / np.maximum(expected[0], 1.0)
        in_shadow = (dimmed > SHADOW_RANGE[0]) & (dimmed < SHADOW_RANGE[1])
        # A shadow dims colour as it dims luma; anything else about the colour is the item's own.
        shade = np.clip(dimmed, *SHADOW_RANGE)
        red, blue = (np.abs(planes[i] - shade * expected[i]) for i in (1, 2))
        across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=1 / 8)
        down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=1 / 8)
        differs = (np.abs(luma) > threshold) & ~in_shadow
        differs |= np.maximum(red, blue) > COLOUR * threshold
        differs |= across * across + down * down > (OUTLINE * threshold) ** 2
        return self._solid(differs.astype(np.uint8) * 255)

    def _solid(self, differs: Mask) -> Mask:
        specks_gone = cv2.medianBlur(differs, 3)
        # Within a margin: at the picture's border the joining would otherwise reach for the border itself.
        reach = max(1, round(JOIN * differs.shape[1] / 2))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        framed = cv2.copyMakeBorder(specks_gone, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=[0])
        joined = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, disc)[reach:-reach, reach:-reach]
        contours, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        hulls = [cv2.convexHull(contour) for contour in contours]
        largest = max((cv2.contourArea(hull) for hull in hulls), default=0.0)
        smallest = max(self._config.min_area * differs.size / 4, largest / 20)
        solid = np.zeros_like(differs)
        cv2.drawContours(solid, [hull for hull in hulls if cv2.contourArea(hull) >= smallest], -1, 255, cv2.FILLED)
        return np.asarray(
            cv2.erode(solid, np.ones((3, 3), np.uint8)), np.uint8
        )  # an outline lies half outside the item


def _planes(rgb: RgbImage) -> Planes:
    """The tray region, small and slightly blurred: fine noise averages out, fine texture does not flicker."""
    while rgb.shape[1] >= 2 * WIDTH_PX and rgb.shape[0] >= 2:  # halving is the cheapest average there is
        rgb = np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = rgb.shape[:2]
    scale = min(1.0, WIDTH_PX / width)
    small = cv2.resize(rgb, (max(1, round(scale * width)), max(1, round(scale * height))))
    ycrcb = cv2.cvtColor(cv2.GaussianBlur(small, (3, 3), 0), cv2.COLOR_RGB2YCrCb)
    planes = np.ascontiguousarray(ycrcb.transpose(2, 0, 1)).astype(np.float32)
    planes[1:] -= 128.0
    return planes


def _predicted(reference: Planes, gain: float) -> Planes:
    """The reference as it would look with `gain` times the light; white stays white."""
    predicted = reference * np.float32(gain)
    np.minimum(predicted[0], 255.0, out=predicted[0])
    return predicted


def _gain(planes: Planes, reference: Planes, gain_before: float) -> float:
    """By what the light changed between reference and planes, whatever covers a part of them.

    The gain before is kept while a part of the picture obeys it, so that a large pale item is not taken for light;
    otherwise the gain that explains most of the picture wins; failing that, nothing is known and the gain before stays.
    """
    now, then = planes[:, 1::3, 1::3].reshape(3, -1), reference[:, 1::3, 1::3].reshape(3, -1)
    # Dark pixels fit any gain, and white ones hide it.
    tells = (then[0] >= 40.0) & (then[0] < 250.0) & (now[0] < 250.0)
    enough = np.count_nonzero(tells)
    if enough < 0.05 * tells.size:
        return gain_before

    def explained(gain: float) -> NDArray[np.bool_]:
        off = np.abs(now - np.float32(gain) * then)
        return np.asarray((off.max(axis=0) < 4.0) & tells)

    ratio = now[0] / np.maximum(then[0], 1.0)
    fits = explained(gain_before)
    if np.count_nonzero(fits) < KEEP_GAIN_SHARE * enough:
        counts, edges = np.histogram(ratio[tells], bins=56, range=GAIN_RANGE)
        peak = int(np.argmax(np.convolve(counts, np.ones(3), "same")))
        fits = explained(float(edges[peak] + edges[peak + 1]) / 2)
        if np.count_nonzero(fits) < 2 * KEEP_GAIN_SHARE * enough:
            return gain_before
    return float(np.clip(np.median(ratio[fits]), *GAIN_RANGE))


def _full_frame_box(mask: Mask, region: Box) -> Box:
    """The mask's bounding rectangle in pixels of the whole frame."""
    x, y, width, height = cv2.boundingRect(mask)
    across, down = (region.x1 - region.x0) / mask.shape[1], (region.y1 - region.y0) / mask.shape[0]
    return Box(
        region.x0 + math.floor(x * across),
        region.y0 + math.floor(y * down),
        region.x0 + math.ceil((x + width) * across),
        region.y0 + math.ceil((y + height) * down),
    )
