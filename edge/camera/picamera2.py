"""A Raspberry Pi's camera through the picamera2 library, which the system's package manager installs.

The library is imported only here, when the config asks for it.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from edge import config
from edge.camera.capture import FPS_TOLERANCE, Capture
from edge.camera.threaded import ThreadedCamera
from edge.domain import Clock, RgbImage
from edge.errors import CameraError, WrongCamera

FORMAT = "BGR888"  # libcamera names the bytes from the last to the first: in memory this is R, G, B
FRAME_TIMEOUT_S = 5.0


class Picamera2Camera(ThreadedCamera):
    """Implements `edge.domain.Camera`."""

    def __init__(
        self,
        config: config.Picamera2Camera,
        clock: Clock,
        *,
        open_capture: Callable[[config.Picamera2Camera], Capture] | None = None,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        opener = open_capture or Picamera2Capture
        super().__init__(f"camera {config.camera} (picamera2)", lambda: opener(config), clock, wait=wait)


class Picamera2Capture:
    """One opened camera, in video mode."""

    live = True
    period_s = 0.0

    def __init__(self, config: config.Picamera2Camera) -> None:
        self._name = f"camera {config.camera} (picamera2)"
        self._config = config
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise WrongCamera(
                f"{self._name}: {error}; install it: apt install python3-picamera2, and make the environment with "
                "python3 -m venv --system-site-packages"
            ) from None
        try:
            self._camera: Any = Picamera2(config.camera)
        except (RuntimeError, IndexError) as error:
            raise CameraError(
                f"{self._name}: cannot be opened ({error}); list the cameras with rpicam-hello --list-cameras, and see "
                "that no other program uses it"
            ) from None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        wanted = self._config
        video = self._camera.create_video_configuration(
            main={"size": (wanted.width_px, wanted.height_px), "format": FORMAT},
            controls={} if wanted.fps is None else {"FrameRate": wanted.fps},
            queue=False,  # a frame from after the question, not one that was kept
        )
        try:
            self._camera.configure(video)
        except RuntimeError as error:
            raise WrongCamera(
                f"{self._name}: does not take {wanted.width_px}×{wanted.height_px} ({error}); "
                "list its modes with rpicam-hello --list-cameras"
            ) from None
        self._check_size()
        self._check_fps()
        self._camera.start()

    def _check_size(self) -> None:
        """It adjusts what it cannot give, and says so only when asked."""
        wanted, given = self._config, self._camera.camera_configuration()["main"]
        asked = (wanted.width_px, wanted.height_px), FORMAT
        if (tuple(given["size"]), given["format"]) != asked:
            width, height = given["size"]
            raise WrongCamera(
                f"{self._name} gave {width}×{height} {given['format']}, config asks "
                f"{wanted.width_px}×{wanted.height_px} {FORMAT}; take that size, or list its modes with "
                "rpicam-hello --list-cameras"
            )

    def _check_fps(self) -> None:
        fps = self._config.fps
        limits = self._camera.camera_controls.get("FrameDurationLimits")
        if fps is None or limits is None:
            return
        shortest_us, longest_us = limits[:2]
        if not shortest_us / (1 + FPS_TOLERANCE) <= 1e6 / fps <= longest_us * (1 + FPS_TOLERANCE):
            raise WrongCamera(
                f"{self._name} gives {1e6 / longest_us:.3g} to {1e6 / shortest_us:.3g} pictures a second at this size, "
                f"config asks {fps:g}; list its modes with rpicam-hello --list-cameras"
            )

    def read(self) -> RgbImage | None:
        try:
            job = self._camera.capture_array("main", wait=False)
            rgb = self._camera.wait(job, timeout=FRAME_TIMEOUT_S)
        except (concurrent.futures.TimeoutError, TimeoutError):
            return None
        except RuntimeError as error:
            raise CameraError(f"{self._name}: gives no more pictures ({error})") from None
        return np.ascontiguousarray(rgb)

    def rewind(self) -> None:
        """Never asked of a live source."""

    def close(self) -> None:
        """Stop the camera and give it back. May be called twice."""
        self._camera.close()
