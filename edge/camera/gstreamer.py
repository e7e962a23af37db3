"""A camera behind a GStreamer pipeline: what libcamera on a Raspberry Pi and Argus on a Jetson speak.

The pipeline runs in `gst-launch-1.0`, a process of its own, which writes raw frames into a pipe. So it needs neither a
Python binding nor an OpenCV built with GStreamer, and a driver that crashes takes only itself down.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from edge import config
from edge.camera.capture import Capture
from edge.camera.threaded import ThreadedCamera
from edge.domain import Clock, RgbImage
from edge.errors import CameraError, WrongCamera

PROGRAM = "gst-launch-1.0"
FRAME_TIMEOUT_S = 10.0  # Argus and libcamera take some seconds to their first frame
GOODBYE_S = 3.0
SAID_LINES = 6
WRONG = ("erroneous pipeline", "not-negotiated")
"""What gst-launch says of a pipeline that cannot be one, and of a source that does not give the size or rate asked."""


class GStreamerCamera(ThreadedCamera):
    """Implements `edge.domain.Camera`."""

    def __init__(
        self,
        config: config.GStreamerCamera,
        clock: Clock,
        *,
        open_capture: Callable[[config.GStreamerCamera], Capture] | None = None,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        opener = open_capture or GStreamerCapture
        super().__init__(name_of(config), lambda: opener(config), clock, wait=wait)


def name_of(config: config.GStreamerCamera) -> str:
    """What stands in messages: the source element, without its properties, which may hold a password."""
    return f"camera {shlex.split(config.pipeline)[0]}"


class GStreamerCapture:
    """One running pipeline."""

    live = True
    period_s = 0.0

    def __init__(self, config: config.GStreamerCamera) -> None:
        self._name = name_of(config)
        self._size = config.width_px, config.height_px
        # GStreamer begins every row at a multiple of 4 bytes.
        self._row_bytes = (3 * config.width_px + 3) // 4 * 4
        self._frames, frames_in = os.pipe()
        try:
            self._process = subprocess.Popen(
                command_of(config, frames_in),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # elements of some vendors chatter there
                stderr=subprocess.STDOUT,
                pass_fds=(frames_in,),
                env={**os.environ, "LC_ALL": "C"},  # its words are looked for, and stand among English ones
                start_new_session=True,  # Ctrl-C is for the daemon, which ends the pipeline itself
            )
        except FileNotFoundError:
            os.close(self._frames)
            raise WrongCamera(
                f"{self._name}: no program {PROGRAM}; install it: apt install gstreamer1.0-tools "
                "gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
            ) from None
        finally:
            os.close(frames_in)
        self._said: deque[str] = deque(maxlen=SAID_LINES)
        self._listener = threading.Thread(target=self._listen, name=f"{self._name} messages", daemon=True)
        self._listener.start()

    def read(self) -> RgbImage | None:
        """The next picture. None when none comes in time.

        Raises:
            CameraError: the pipeline ended, with what GStreamer said of it.
        """
        width, height = self._size
        rows = np.empty((height, self._row_bytes), np.uint8)
        left = rows.data.cast("B")
        while left:
            if not select.select([self._frames], [], [], FRAME_TIMEOUT_S)[0]:
                return None
            got = os.readv(self._frames, [left])
            if got == 0:
                raise self._ended()
            left = left[got:]
        return np.ascontiguousarray(rows[:, : 3 * width].reshape(height, width, 3))

    def rewind(self) -> None:
        """Never asked of a live source."""

    def close(self) -> None:
        """End the pipeline; the camera is free afterwards. May be called twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # upon which gst-launch stops the camera in good order
            try:
                self._process.wait(GOODBYE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._listener.join()
        if self._frames >= 0:
            os.close(self._frames)
            self._frames = -1

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as messages:
            for line in messages:
                self._said.append(hidden(line.decode(errors="replace").strip()))

    def _ended(self) -> CameraError:
        code = self._process.wait()
        self._listener.join()
        said = " | ".join(line for line in self._said if line) or "nothing"
        kind = WrongCamera if any(word in said for word in WRONG) else CameraError
        return kind(
            f"{self._name}: the pipeline ended (exit code {code}); {PROGRAM} said: {said}; "
            f"try camera.pipeline by hand: {PROGRAM} ... ! videoconvert ! autovideosink"
        )


def command_of(config: config.GStreamerCamera, frames_fd: int) -> list[str]:
    """The command that writes the pipeline's frames to a file descriptor, rows of packed RGB.

    A source that cannot give the size or rate fails to negotiate: nothing scales, drops or doubles behind one's back.
    """
    rate = "" if config.fps is None else ",framerate=" + "/".join(map(str, _fraction(config.fps)))
    caps = f"video/x-raw,format=RGB,width={config.width_px},height={config.height_px}{rate}"
    newest_only = ["queue", "leaky=downstream", "max-size-buffers=1", "max-size-bytes=0", "max-size-time=0"]
    tail = ["!", "videoconvert", "!", caps, "!", *newest_only, "!", "fdsink", f"fd={frames_fd}", "sync=false"]
    return [PROGRAM, "--quiet", *shlex.split(config.pipeline), *tail]


def _fraction(fps: float) -> tuple[int, int]:
    """29.97 → 30000/1001, as cameras say it."""
    for rate in (Fraction(round(fps)), Fraction(round(fps) * 1000, 1001)):
        if abs(float(rate) - fps) < 0.005:
            return rate.numerator, rate.denominator
    exact = Fraction(fps).limit_denominator(1001)
    return exact.numerator, exact.denominator


def hidden(text: str) -> str:
    """A message without the user and password of the addresses in it, and without their queries."""
    return re.sub(r"(\w://[^\s?]*)\?\S*", r"\1", re.sub(r"(\w://)\S*@", r"\1", text))
