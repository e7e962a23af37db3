"""A slot for one frame: the newest wins. There is no queue, so nothing old can wait in one."""

from __future__ import annotations

import threading

from edge.domain import Clock, Frame, RgbImage
from edge.errors import CameraError, StaleFrame


class Slot:
    """Between the thread that reads a camera and the loop that looks at its newest frame. `name` stands in errors."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._end: BaseException | None = None
        self._next_seq = 0

    def put(self, rgb: RgbImage) -> None:
        """(H, W, 3) uint8, taken just now. Replaces the frame before it. The caller does not write to it any more."""
        with self._changed:
            self._frame = Frame(rgb, self._clock.monotonic_s(), self._next_seq)
            self._next_seq += 1
            self._changed.notify_all()

    def end(self, why: BaseException) -> None:
        """No more frames will come; from now on every read raises."""
        with self._changed:
            self._end = why
            self._changed.notify_all()

    def wait_first(self, timeout_s: float) -> None:
        """Wait until there is a frame to read. `timeout_s` is real time.

        Raises:
            CameraError: the camera ended or failed before its first frame, or gave none in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._frame is not None or self._end is not None, timeout_s):
                raise CameraError(
                    f"{self._name}: no picture within {timeout_s:g} s of opening; unplug it and plug it in again, "
                    "and see that no other program uses it"
                )
            if self._frame is None:
                self._raise_end()

    def read_latest(self, max_age_s: float) -> Frame:
        """The newest frame. Raises as `edge.domain.Camera.read_latest` does."""
        with self._changed:
            if self._end is not None:
                self._raise_end()
            frame = self._frame
        if frame is None:
            raise CameraError(f"{self._name}: not open; enter the camera (`with camera:`) before reading it")
        age_s = self._clock.monotonic_s() - frame.captured_s
        if age_s > max_age_s:
            raise StaleFrame(
                f"{self._name}: the newest frame is {age_s:.2f} s old, at most {max_age_s:.2f} s is allowed; "
                "check the camera's cable, its light and the load of this machine"
            )
        return frame

    def _raise_end(self) -> None:
        if isinstance(self._end, CameraError):
            raise type(self._end)(str(self._end))  # a fresh one: a traceback must not grow with every read
        raise RuntimeError(f"{self._name}: the thread that reads it failed: {self._end!r}") from self._end
