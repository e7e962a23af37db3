"""The picamera2 driver, on a stand-in that takes what the library takes and records it. No Raspberry Pi was asked."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge import config
from edge.camera.picamera2 import Picamera2Camera, Picamera2Capture
from edge.clock import ManualClock, SystemClock
from edge.errors import StaleFrame, WrongCamera


class RecordingPicamera2:
    """As much of `picamera2.Picamera2` as the driver uses, with the library's signatures and failures."""

    opened: list[RecordingPicamera2] = []
    cameras = 1
    gives: dict[str, Any] = {}  # what it adjusts the main stream to
    limits_us = (16_666, 1_000_000, 33_333)
    frames = 3

    def __init__(self, camera_num: int = 0, verbose_console: object = None, tuning: object = None) -> None:
        if camera_num >= self.cameras:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.calls: list[str] = []
        self.closed = 0
        self.left = self.frames
        self.opened.append(self)

    def create_video_configuration(
        self, main: dict[str, Any], controls: dict[str, Any], queue: bool = True
    ) -> dict[str, Any]:
        return {"main": main, "controls": controls, "queue": queue}

    def configure(self, camera_config: dict[str, Any]) -> None:
        if camera_config["main"]["size"][0] > 4608:
            raise RuntimeError("Requested stream size exceeds the sensor's")
        self.asked = camera_config
        self.given = {**camera_config, "main": {**camera_config["main"], **self.gives}}
        self.calls.append("configure")

    def camera_configuration(self) -> dict[str, Any]:
        return self.given

    @property
    def camera_controls(self) -> dict[str, Any]:
        return {"FrameDurationLimits": self.limits_us}

    def start(self) -> None:
        self.calls.append("start")

    def capture_array(self, name: str = "main", wait: bool | None = None) -> str:
        assert wait is False, "it would wait for ever"
        return name

    def wait(self, job: str, timeout: float | None = None) -> Any:
        assert job == "main" and timeout is not None
        if self.left == 0:
            raise concurrent.futures.TimeoutError
        self.left -= 1
        width, height = self.given["main"]["size"]
        padded = np.zeros((height, width + 8, 3), np.uint8)  # rows are longer than pictures are wide
        padded[..., 0] = 200
        return padded[:, :width]

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[RecordingPicamera2]:
    class Library(RecordingPicamera2):
        opened: list[RecordingPicamera2] = []

    module = ModuleType("picamera2")
    module.Picamera2 = Library  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return Library


def settings(**changes: Any) -> config.Picamera2Camera:
    return config.Picamera2Camera(**{"type": "picamera2", "width_px": 96, "height_px": 64, "fps": 30, **changes})


def test_it_is_asked_for_rgb_of_the_size_and_rate_and_for_fresh_frames(library: type[RecordingPicamera2]) -> None:
    capture = Picamera2Capture(settings())
    [camera] = library.opened
    main = {"size": (96, 64), "format": "BGR888"}
    assert camera.asked == {"main": main, "controls": {"FrameRate": 30}, "queue": False}
    assert camera.calls == ["configure", "start"]
    rgb = capture.read()
    assert rgb is not None
    assert rgb.shape == (64, 96, 3) and rgb.flags.c_contiguous
    assert rgb[0, 0].tolist() == [200, 0, 0]
    capture.close()
    assert camera.closed == 1


def test_without_a_rate_it_is_asked_for_none(library: type[RecordingPicamera2]) -> None:
    Picamera2Capture(settings(fps=None)).close()
    assert library.opened[0].asked["controls"] == {}


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        ({"size": (128, 64)}, r"camera 0 \(picamera2\) gave 128×64 BGR888, config asks 96×64 BGR888"),
        ({"format": "XBGR8888"}, r"gave 96×64 XBGR8888, config asks 96×64 BGR888"),
    ],
)
def test_a_camera_that_adjusts_what_it_was_asked_for_is_refused(
    library: type[RecordingPicamera2], gives: dict[str, Any], message: str
) -> None:
    library.gives = gives
    with pytest.raises(WrongCamera, match=message):
        Picamera2Capture(settings())
    assert library.opened[0].calls == ["configure"], "it never ran"
    assert library.opened[0].closed == 1


@pytest.mark.parametrize(("fps", "refused"), [(60, False), (59.94, False), (62, False), (90, True), (0.5, True)])
def test_a_rate_beyond_what_the_mode_gives_is_refused(
    library: type[RecordingPicamera2], fps: float, refused: bool
) -> None:
    if not refused:
        Picamera2Capture(settings(fps=fps)).close()
        return
    with pytest.raises(WrongCamera, match=rf"gives 1 to 60 pictures a second at this size, config asks {fps:g}"):
        Picamera2Capture(settings(fps=fps))
    assert library.opened[0].closed == 1


def test_a_size_beyond_the_sensor_is_refused_with_the_librarys_own_words(library: type[RecordingPicamera2]) -> None:
    with pytest.raises(WrongCamera, match=r"does not take 5000×64 \(Requested stream size exceeds"):
        Picamera2Capture(settings(width_px=5000))
    assert library.opened[0].closed == 1


def test_a_missing_camera_and_a_missing_library_say_what_to_do(
    library: type[RecordingPicamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Picamera2Camera(settings(camera=3), ManualClock()) as camera,
        pytest.raises(StaleFrame, match=r"camera 3 \(picamera2\): cannot be opened .*rpicam-hello --list-cameras"),
    ):
        camera.read_latest(max_age_s=1.0)
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(WrongCamera, match="apt install python3-picamera2"):
        Picamera2Camera(settings(), ManualClock()).__enter__()


def test_a_camera_that_gives_no_more_pictures_is_opened_again(library: type[RecordingPicamera2]) -> None:
    again = threading.Event()

    def wait(stop: threading.Event, duration_s: float) -> bool:
        if len(library.opened) >= 2:
            again.set()
        return stop.is_set()

    with Picamera2Camera(settings(), SystemClock(), wait=wait) as camera:
        assert again.wait(20)
        assert camera.read_latest(max_age_s=20).rgb.shape == (64, 96, 3)
    assert all(camera.closed >= 1 for camera in library.opened)
