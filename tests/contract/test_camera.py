"""What every camera promises, whichever it is: `edge.domain.Camera`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import config
from edge.camera.gstreamer import GStreamerCamera
from edge.camera.opencv import OpenCvCamera
from edge.camera.picamera2 import Picamera2Camera
from edge.camera.threaded import ThreadedCamera
from edge.clock import ManualClock
from edge.domain import Camera, RgbImage
from edge.errors import CameraError, StaleFrame
from edge.sim.tray import FootageCamera

FPS, WIDTH, HEIGHT = 10, 96, 64


@dataclass
class Case:
    """next_frame: lets time pass until the camera has a new frame, taken at that moment."""

    camera: Camera
    clock: ManualClock
    next_frame: Callable[[], None]


class OnDemand:
    """A live source that gives a picture when it is asked to, and keeps quiet otherwise."""

    live = True
    period_s = 0.0

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pictures = 1
        self._hungry = self._gone = False

    def read(self) -> RgbImage | None:
        with self._changed:
            self._hungry = self._pictures == 0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._pictures or self._gone, timeout=20)
            if self._gone:
                return None
            self._pictures -= 1
            return np.full((HEIGHT, WIDTH, 3), 90, np.uint8)

    def give(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._hungry, timeout=20)
            self._pictures, self._hungry = 1, False
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._hungry, timeout=20)

    def go(self) -> None:
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def rewind(self) -> None: ...

    def close(self) -> None: ...


def threaded(driver: str, clock: ManualClock, source: OnDemand) -> ThreadedCamera:
    """A driver with a source on demand behind it; what its own source gives, the driver's own tests say."""
    if driver == "opencv":
        return OpenCvCamera(config.OpenCvCamera(type="opencv", source=0), clock, open_capture=lambda _: source)
    if driver == "picamera2":
        settings = config.Picamera2Camera(type="picamera2", width_px=WIDTH, height_px=HEIGHT)
        return Picamera2Camera(settings, clock, open_capture=lambda _: source)
    pipeline = config.GStreamerCamera(type="gstreamer", pipeline="libcamerasrc", width_px=WIDTH, height_px=HEIGHT)
    return GStreamerCamera(pipeline, clock, open_capture=lambda _: source)


@pytest.fixture(params=["opencv", "gstreamer", "picamera2", "footage"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    clock = ManualClock()
    if request.param != "footage":
        source = OnDemand()
        camera = threaded(request.param, clock, source)

        def next_frame() -> None:
            clock.advance(1 / FPS)
            source.give()

        yield Case(camera, clock, next_frame)
        source.go()
        camera.__exit__()
    else:
        footage = draw_footage(tmp_path)
        simulated = FootageCamera(config.FootageCamera(type="footage"), clock, lambda: None, footage=footage)
        yield Case(simulated, clock, lambda: clock.advance(1 / FPS))


def draw_footage(folder: Path) -> Path:
    size = (WIDTH, HEIGHT)
    writer = cv2.VideoWriter(str(folder / "tray.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size)
    for level in (90, 120, 150, 180):
        writer.write(np.full((HEIGHT, WIDTH, 3), level, np.uint8))
    writer.release()
    item = {"name": "a", "label": "paper", "appear": [1, 1], "still": [2, 2], "taken": [3, 3], "box": [0, 0, 9, 9]}
    chapters = {"schema": 1, "fps": FPS, "size": size, "empty": [0, 0], "items": [item]}
    (folder / "chapters.json").write_text(json.dumps(chapters))
    return folder


@pytest.fixture
def opened(case: Case) -> Iterator[Case]:
    case.camera.__enter__()
    yield case
    if isinstance(case.camera, FootageCamera):
        case.camera.__exit__()


def test_a_frame_is_rgb_bytes_that_cannot_be_written_to(opened: Case) -> None:
    rgb = opened.camera.read_latest(max_age_s=1.0).rgb
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    assert rgb.dtype == np.uint8
    assert rgb.mean() == pytest.approx(90, abs=3)
    with pytest.raises(ValueError, match="read-only"):
        rgb[0, 0, 0] = 1


def test_frames_are_numbered_and_dated_in_order(opened: Case) -> None:
    before = opened.camera.read_latest(max_age_s=1.0)
    for _ in range(30):
        opened.next_frame()
        frame = opened.camera.read_latest(max_age_s=1.0)
        assert frame.seq == before.seq + 1
        assert frame.captured_s == pytest.approx(opened.clock.monotonic_s())
        before = frame


def test_without_a_new_frame_the_same_one_is_given(opened: Case) -> None:
    opened.next_frame()
    frame = opened.camera.read_latest(max_age_s=1.0)
    assert opened.camera.read_latest(max_age_s=1.0).seq == frame.seq


def test_a_frame_older_than_asked_for_is_refused(opened: Case) -> None:
    opened.next_frame()
    opened.clock.advance(0.06)
    assert opened.camera.read_latest(max_age_s=0.07).seq == 1
    with pytest.raises(StaleFrame, match=r"0\.05"):
        opened.camera.read_latest(max_age_s=0.05)
    opened.next_frame()
    assert opened.camera.read_latest(max_age_s=0.07).seq == 2


def test_a_camera_that_is_not_open_is_an_error(case: Case) -> None:
    with pytest.raises(CameraError, match="not open"):
        case.camera.read_latest(max_age_s=1.0)


def test_leaving_twice_is_harmless_and_reading_afterwards_is_an_error(opened: Case) -> None:
    if isinstance(opened.camera, ThreadedCamera):
        opened.camera._stop.set()  # its source hangs; real ones do not for long
        opened.camera._open_capture().go()  # type: ignore[attr-defined]
    opened.camera.__exit__()
    opened.camera.__exit__()
    with pytest.raises(CameraError):
        opened.camera.read_latest(max_age_s=1.0)


def test_leaving_without_entering_is_harmless(case: Case) -> None:
    case.camera.__exit__()
