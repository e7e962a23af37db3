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
        self._trouble: str | None = None
        self._next_seq = 0

    def put(self, rgb: RgbImage) -> bool:
        """(H, W, 3) uint8, taken just now. Replaces the frame before it. The caller does not write to it any more.

        Gives whether this ends trouble.
        """
        with self._changed:
            troubled = self._trouble is not None
            self._frame = Frame(rgb, self._clock.monotonic_s(), self._next_seq)
            self._trouble = None
            self._next_seq += 1
            self._changed.notify_all()
        return troubled

    def report(self, trouble: str) -> None:
        """Why no frames come at the moment; they may come again."""
        with self._changed:
            self._trouble = trouble
            self._changed.notify_all()

    @property
    def untried(self) -> bool:
        """Whether neither a frame nor trouble has come yet."""
        with self._changed:
            return self._frame is None and self._trouble is None

    def end(self, why: BaseException) -> None:
        """No more frames will come; from now on every read raises."""
        with self._changed:
            self._end = why
            self._changed.notify_all()

    def wait_first(self, timeout_s: float) -> None:
        """Wait until there is a frame to read, or trouble. `timeout_s` is real time; it is trouble when that is over.

        Raises:
            CameraError: no frame will come.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self.untried or self._end is not None, timeout_s):
                self._trouble = (
                    f"{self._name}: no picture within {timeout_s:g} s of opening; unplug it and plug it in again, "
                    "and see that no other program uses it"
                )
            if self._frame is None and self._end is not None:
                self._raise_end()

    def read_latest(self, max_age_s: float) -> Frame:
        """The newest frame. Raises as `edge.domain.Camera.read_latest` does.

        What StaleFrame says stays the same while nothing changes: it stands in a fault that is published.
        """
        with self._changed:
            if self._end is not None:
                self._raise_end()
            frame, trouble = self._frame, self._trouble
        if frame is not None and self._clock.monotonic_s() - frame.captured_s <= max_age_s:
            return frame
        if trouble is not None:
            raise StaleFrame(trouble)
        if frame is None:
            raise CameraError(f"{self._name}: not open; enter the camera (`with camera:`) before reading it")
        raise StaleFrame(
            f"{self._name}: no frame younger than {max_age_s:.2f} s; "
            "check the camera's cable, its light and the load of this machine"
        )

    def _raise_end(self) -> None:
        if isinstance(self._end, CameraError):
            raise type(self._end)(str(self._end))  # a fresh one: a traceback must not grow with every read
        raise RuntimeError(f"{self._name}: the thread that reads it failed: {self._end!r}") from self._end
