"""What the sorter sees of the tray: frames that are fresh and fit, what lies there, and whether it was empty since."""

from __future__ import annotations

import threading

from edge.camera.watch import CameraWatch
from edge.domain import Camera, Clock, Frame, Observation, TrayState
from edge.errors import CameraError, UnfitFrame
from edge.live import Live
from edge.presence import PresenceModel

EMPTY_FRAMES = 2
"""So many frames in a row must show the tray empty: one may have caught the item in mid-air."""


class Lookout:
    """Reads the camera and keeps the live view up to date. For the loop's thread, but for `learn_empty`."""

    def __init__(
        self,
        camera: Camera,
        watch: CameraWatch,
        presence: PresenceModel,
        live: Live,
        clock: Clock,
        *,
        max_frame_age_s: float,
    ) -> None:
        self._camera = camera
        self._watch = watch
        self._presence = presence
        self._live = live
        self._clock = clock
        self._max_frame_age_s = max_frame_age_s
        self._last_seq = -1
        self._empty_frames = 0  # in a row
        self._relearn = threading.Event()
        self.emptied = False
        """Whether the tray was seen empty since `expect_empty`."""

    @property
    def learnt(self) -> bool:
        """Whether the empty tray is known."""
        return self._presence.learnt

    def learn_empty(self) -> None:
        """Take what lies on the tray from the next frame on for the empty tray. Safe from any thread."""
        self._relearn.set()

    def forget_tray(self) -> None:
        """Learn what lies on the tray anew; the camera's view stays known."""
        self._presence.forget()

    def expect_empty(self) -> None:
        """From now on `emptied` waits for the tray to be seen empty."""
        self._empty_frames, self.emptied = 0, False

    def read(self) -> tuple[Frame, float]:
        """The newest frame, and the seconds spent waiting for it.

        Raises:
            StaleFrame, UnfitFrame: nothing new in time, or nothing to go by.
            CameraError: it cannot go on.
        """
        started_s = self._clock.monotonic_s()
        frame = self._camera.read_latest(self._max_frame_age_s)
        capture_s = self._clock.monotonic_s() - started_s
        if self._relearn.is_set():
            self._relearn.clear()
            self._presence.forget()
            self._watch.forget()
        try:
            self._watch.check(frame)
        except UnfitFrame:
            self._live.update(frame=frame, observation=None)  # shown, but nothing is known from it
            raise
        return frame, capture_s

    def is_new(self, frame: Frame) -> bool:
        """Whether it has not been observed yet."""
        return frame.seq != self._last_seq

    def observe(self, frame: Frame) -> Observation:
        """What is on the tray in it."""
        self._last_seq = frame.seq
        seen = self._presence.observe(frame)
        self._empty_frames = self._empty_frames + 1 if seen.state is TrayState.EMPTY else 0
        self.emptied = self.emptied or self._empty_frames >= EMPTY_FRAMES
        if seen.state is TrayState.EMPTY:
            self._watch.learn(frame)
        self._live.update(frame=frame, observation=seen)
        return seen

    def look_on(self) -> None:
        """While the mechanism moves, and until the tray is seen empty: keep the view live."""
        try:
            frame, _ = self.read()
        except CameraError:
            self._empty_frames = 0  # what is not seen is not confirmed; the loop meets the error again, and says so
            return
        if self.is_new(frame):
            self.observe(frame)
