"""A camera read by a thread of its own, whatever gives its pictures.

    source ─► Capture ─► reader thread ─► Slot ─► read_latest()

A driver may block for as long as it likes: the loop only ever looks at the slot. The thread reads as fast as pictures
come, so the slot never holds what a driver had buffered. A device or stream that stops, or is not there yet, is opened
again with growing pauses; meanwhile its last frame grows old, and is refused for its age.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from edge.camera.capture import Capture
from edge.camera.slot import Slot
from edge.domain import Clock, Frame, RgbImage
from edge.errors import CameraEnded, CameraError, WrongCamera

FIRST_FRAME_S = 15.0  # OpenCV itself waits 10 s for a device's picture
REFRESH_S = 0.1  # a picture that is shown for longer is given again this often, or it would grow stale
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

logger = logging.getLogger(__name__)


class ThreadedCamera:
    """Implements `edge.domain.Camera`. Entering fails only for what another try does not mend (WrongCamera).

    name: stands in every message. open_capture: opens the source. loop: one that ends starts again.
    wait: waits that many seconds, or less when the event is set; returns whether it is set. Tests replace it, and need
    no patience.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        clock: Clock,
        *,
        loop: bool = True,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._name = name
        self._open_capture = open_capture
        self._clock = clock
        self._loop = loop
        self._wait = wait
        self._slot = Slot(self._name, clock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pause_s = FIRST_PAUSE_S

    def __enter__(self) -> ThreadedCamera:
        self._slot = Slot(self._name, self._clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        try:
            self._slot.wait_first(FIRST_FRAME_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(FIRST_FRAME_S)
            if self._thread.is_alive():
                logger.warning("%s: its driver does not return from reading; left behind", self._name)
            self._thread = None
            self._slot.end(CameraError(f"{self._name}: closed; enter the camera again before reading it"))

    def read_latest(self, max_age_s: float) -> Frame:
        return self._slot.read_latest(max_age_s)

    def _run(self) -> None:
        """Show what the source gives; open it again when it fails."""
        self._pause_s = FIRST_PAUSE_S
        try:
            while not self._stop.is_set():
                try:
                    with contextlib.closing(self._open_capture()) as capture:
                        self._follow(capture) if capture.live else self._play(capture)
                except CameraEnded:
                    raise
                except CameraError as error:
                    if isinstance(error, WrongCamera) and self._slot.untried:
                        raise
                    self._rest(error)
        except BaseException as error:  # noqa: BLE001 - raised where the camera is read
            self._slot.end(error)

    def _rest(self, error: CameraError) -> None:
        logger.warning("%s; opening it again in %g s", error, self._pause_s)
        self._slot.report(str(error))
        self._wait(self._stop, self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _play(self, capture: Capture) -> None:
        """A clip or a folder: at its own pace, again and again where the config says so."""
        given = 0
        while not self._stop.is_set():
            began_s = self._clock.monotonic_s()
            rgb = capture.read()
            if rgb is not None:
                given += 1
                self._show(rgb, capture.period_s - (self._clock.monotonic_s() - began_s))
            elif given == 0:
                raise WrongCamera(f"{self._name}: not one readable picture in it; try it in another program")
            elif not self._loop:
                raise CameraEnded(f"{self._name}: no more pictures; camera.loop: true plays it again")
            else:
                given = 0
                capture.rewind()

    def _show(self, rgb: RgbImage, remaining_s: float) -> None:
        self._slot.put(rgb)
        while remaining_s > REFRESH_S:
            if self._wait(self._stop, REFRESH_S):
                return
            self._slot.put(rgb)
            remaining_s -= REFRESH_S
        self._wait(self._stop, max(0.0, remaining_s))

    def _follow(self, capture: Capture) -> None:
        """A device or stream: at the pace it gives pictures, until it stops."""
        while not self._stop.is_set():
            rgb = capture.read()
            if rgb is None:
                raise CameraError(f"{self._name}: gives no pictures; see that no other program uses it")
            if self._slot.put(rgb):
                logger.info("%s: gives pictures again", self._name)
            self._pause_s = FIRST_PAUSE_S
