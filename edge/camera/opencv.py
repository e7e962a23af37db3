"""A camera that OpenCV reads: a device, a clip, a stream, or a folder of pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge import config
from edge.camera.capture import Capture, open_capture, shown
from edge.camera.threaded import ThreadedCamera
from edge.domain import Clock


class OpenCvCamera(ThreadedCamera):
    """Implements `edge.domain.Camera`. open_capture: opens what the config names; tests replace it."""

    def __init__(
        self,
        config: config.OpenCvCamera,
        clock: Clock,
        *,
        open_capture: Callable[[config.OpenCvCamera], Capture] = open_capture,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        name = f"camera {shown(config.source)}"
        super().__init__(name, lambda: open_capture(config), clock, loop=config.loop, wait=wait)
