"""The simulated tray: an item lies there until the flap really opens.

    empty ──1 s──► appear ──► still ──flap opens──► taken ──► empty, and the next item
                                └──into a compartment of `jam_on`: stays still

It has no thread. Each read works out from the clock what there is to see, so a test moves time and sees the same show.
Only the first item waits for something else: until enough frames of the empty tray were looked at to learn it, however
slow the machine. The flap is asked on every read: somebody must look at the tray while it is open, as the daemon does.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge import config
from edge.domain import Clock, Frame, RgbImage
from edge.errors import CameraError, StaleFrame
from edge.sim.clip import FOOTAGE, Clip, read_chapters
from edge.sim.shows import Act, CardShow, ClipShow, Show

EMPTY_S = 1.0
CAROUSEL_OPENING_FRAMES, CAROUSEL_EMPTY_S = 240, 4.0  # it turns back home before anybody looks at the tray
OPENING_FRAMES = 45  # for the bin to learn the empty tray, find its reference position, and learn it again
NOISE_MARGIN_PX = 61


class Scene(Enum):
    EMPTY = "empty"
    APPEAR = "appear"
    STILL = "still"
    TAKEN = "taken"


class FootageCamera:
    """Implements `edge.domain.Camera`.

    flap_open: the compartment into which the open mechanism drops an item, else None. item_fell: told of
    each. footage: the folder of the clip. opening_frames: so many frames show the empty tray before the show begins.
    empty_s: the pause between two items.
    """

    def __init__(
        self,
        config: config.FootageCamera,
        clock: Clock,
        flap_open: Callable[[], str | None],
        *,
        item_fell: Callable[[str], None] = lambda compartment: None,
        footage: Path = FOOTAGE,
        opening_frames: int = OPENING_FRAMES,
        empty_s: float = EMPTY_S,
    ) -> None:
        self._config = config
        self._clock = clock
        self._flap_open = flap_open
        self._item_fell = item_fell
        self._footage = footage
        self._opening_frames = opening_frames
        self._empty_s = empty_s
        self._clip: Clip | None = None
        self._frame: Frame | None = None

    def __enter__(self) -> FootageCamera:
        chapters = read_chapters(self._footage / "chapters.json")
        self._clip = clip = Clip(self._footage / "tray.mp4", chapters)
        try:
            self._show: Show = (
                CardShow(self._config.source, clip, chapters) if self._config.source else ClipShow(clip, chapters)
            )
        except BaseException:
            self.__exit__()
            raise
        self._fps = chapters.fps
        self._noise = _noise(chapters.size, self._config.noise)
        self._opened_s = self._clock.monotonic_s()
        self._opening_left = self._opening_frames
        self._scene, self._scene_from = Scene.EMPTY, 0  # the frame with which the scene began
        self._act: Act = self._show.next()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._clip is not None:
            self._clip.close()
        self._clip = self._frame = None

    @property
    def showing(self) -> str | None:
        """The name of the item that is on the tray, arrives or leaves. For tests and reports."""
        return None if self._clip is None or self._scene is Scene.EMPTY else self._act.name

    def read_latest(self, max_age_s: float) -> Frame:
        if self._clip is None:
            raise CameraError("the simulated camera is not open; enter it (`with camera:`) before reading it")
        now_s = self._clock.monotonic_s()
        seq = int((now_s - self._opened_s) * self._fps + 1e-6)
        if self._opening_left == 0:
            self._play_until(seq)
        self._mind_the_flap(seq)
        if self._frame is None or self._frame.seq != seq:
            self._frame = Frame(self._with_noise(self._picture(seq), seq), self._opened_s + seq / self._fps, seq)
            if self._opening_left:
                self._opening_left -= 1
                self._scene_from = seq
        age_s = now_s - self._frame.captured_s
        if age_s > max_age_s:
            raise StaleFrame(
                f"the simulated camera's newest frame is {age_s:.3f} s old, at most {max_age_s:.3f} s is allowed; "
                f"it gives {self._fps:g} frames a second"
            )
        return self._frame

    def _play_until(self, seq: int) -> None:
        """Go on to the scene that is played at frame `seq`."""
        while self._scene is not Scene.STILL:
            frames, after = {
                Scene.EMPTY: (round(self._empty_s * self._fps), Scene.APPEAR),
                Scene.APPEAR: (self._act.appear, Scene.STILL),
                Scene.TAKEN: (self._act.taken, Scene.EMPTY),
            }[self._scene]
            ends = self._scene_from + frames
            if seq < ends:
                return
            if self._scene is Scene.TAKEN:
                self._act = self._show.next()
            self._scene, self._scene_from = after, ends

    def _mind_the_flap(self, seq: int) -> None:
        compartment = self._flap_open()
        if self._scene is Scene.STILL and compartment is not None and compartment not in self._config.jam_on:
            self._scene, self._scene_from = Scene.TAKEN, seq + 1  # the frame of this moment still shows it lying there
            self._item_fell(compartment)

    def _picture(self, seq: int) -> RgbImage:
        frame = seq - self._scene_from
        if self._scene is Scene.TAKEN and frame < 0:
            return self._show.still(0)
        picture = {
            Scene.EMPTY: self._show.empty,
            Scene.APPEAR: self._show.appear,
            Scene.STILL: self._show.still,
            Scene.TAKEN: self._show.taken,
        }
        return picture[self._scene](frame)

    def _with_noise(self, rgb: RgbImage, seq: int) -> RgbImage:
        if self._noise is None:
            return rgb
        height, width = rgb.shape[:2]
        # One field, laid a little elsewhere for every frame: as good as a new one, and it costs nothing.
        down, across = seq * 37 % NOISE_MARGIN_PX, seq * 23 % NOISE_MARGIN_PX
        field = self._noise[down : down + height, across : across + width]
        return np.asarray(cv2.add(rgb, field, dtype=cv2.CV_8U), np.uint8)


def _noise(size: tuple[int, int], deviation: float) -> NDArray[np.int8] | None:
    """The sensor's noise, a margin larger than a frame, the same in every run; None for no noise."""
    if deviation == 0:
        return None
    width, height = size
    shape = (height + NOISE_MARGIN_PX, width + NOISE_MARGIN_PX, 3)
    normal = np.random.default_rng(20240607).normal(0.0, deviation, shape)
    return np.clip(np.round(normal), -127, 127).astype(np.int8)
