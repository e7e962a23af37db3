"""The OpenCV camera, driven by scripted captures: no device, and no waiting."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import edge.camera.threaded
from edge import config
from edge.camera.capture import Capture, open_capture, shown
from edge.camera.opencv import OpenCvCamera
from edge.clock import ManualClock
from edge.domain import RgbImage
from edge.errors import CameraEnded, CameraError, StaleFrame, WrongCamera

PATIENCE_S = 20.0  # real seconds before a test gives up on a thread


def grey(level: int, width: int = 32, height: int = 24) -> RgbImage:
    return np.full((height, width, 3), level, np.uint8)


def level_of(camera: OpenCvCamera) -> int:
    return int(camera.read_latest(max_age_s=1.0).rgb.mean().round())


class ScriptedCapture:
    """A live source that gives what the test feeds it. None is a picture that does not come."""

    live = True
    period_s = 0.0

    def __init__(self, *pictures: RgbImage | None) -> None:
        self._changed = threading.Condition()
        self._script = list(pictures)
        self._hungry = self._hung_up = False
        self.closed = threading.Event()

    def read(self) -> RgbImage | None:
        with self._changed:
            self._hungry = not self._script
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._script or self._hung_up, PATIENCE_S)
            self._hungry = False
            return self._script.pop(0) if self._script else None

    def wait_hungry(self) -> None:
        """Until all that was fed is in the slot, and the reader asks for more."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._hungry, PATIENCE_S)

    def feed(self, *pictures: RgbImage | None) -> None:
        with self._changed:
            self._script += pictures
            self._hungry = False
            self._changed.notify_all()

    def hang_up(self) -> None:
        with self._changed:
            self._hung_up = True
            self._changed.notify_all()

    def rewind(self) -> None:
        raise AssertionError("a live source is not rewound")

    def close(self) -> None:
        self.closed.set()


class Turnstile:
    """A `wait` that lets the reader thread pass only when the test says so."""

    def __init__(self) -> None:
        self._arrived: queue.Queue[float] = queue.Queue()
        self._let: queue.Queue[None] = queue.Queue()
        self._open = False

    def __call__(self, stop: threading.Event, duration_s: float) -> bool:
        if not self._open:
            self._arrived.put(duration_s)
            self._let.get(timeout=PATIENCE_S)
        return stop.wait(PATIENCE_S) if self._open else stop.is_set()

    def arrived_s(self) -> float:
        """Until the reader waits; for how long it wants to."""
        return self._arrived.get(timeout=PATIENCE_S)

    def let_pass(self) -> None:
        self._let.put(None)

    def open(self) -> None:
        self._open = True
        self._let.put(None)


@contextmanager
def running(camera: OpenCvCamera, capture: ScriptedCapture) -> Iterator[OpenCvCamera]:
    with camera:
        try:
            yield camera
        finally:
            capture.hang_up()


@contextmanager
def stepping(camera: OpenCvCamera, turnstile: Turnstile) -> Iterator[OpenCvCamera]:
    with camera:
        try:
            yield camera
        finally:
            turnstile.open()


def settings(source: int | str | Path, **more: Any) -> config.OpenCvCamera:
    return config.OpenCvCamera(type="opencv", source=source if isinstance(source, int) else str(source), **more)


def opening(*captures: Capture | CameraError) -> Callable[[config.OpenCvCamera], Capture]:
    """Opens these one after another; an error is a failure to open."""
    left = iter(captures)

    def open_next(_: config.OpenCvCamera) -> Capture:
        capture = next(left)
        if isinstance(capture, CameraError):
            raise capture
        return capture

    return open_next


def test_only_the_newest_frame_waits_in_the_slot() -> None:
    capture = ScriptedCapture(grey(10), grey(20), grey(30))
    with running(OpenCvCamera(settings(0), ManualClock(), open_capture=opening(capture)), capture) as camera:
        capture.wait_hungry()
        frame = camera.read_latest(max_age_s=1.0)
        assert (frame.seq, frame.rgb.mean()) == (2, 30)
        capture.feed(grey(40))
        capture.wait_hungry()
        assert (camera.read_latest(1.0).seq, level_of(camera)) == (3, 40)
    assert capture.closed.is_set()


def test_a_frame_older_than_asked_for_is_refused_in_words_that_do_not_change() -> None:
    clock, capture = ManualClock(), ScriptedCapture(grey(10))
    with running(OpenCvCamera(settings(3), clock, open_capture=opening(capture)), capture) as camera:
        clock.advance(0.5)
        assert camera.read_latest(max_age_s=0.5).captured_s == 0.0
        clock.advance(0.25)
        said = set()
        for _ in range(2):
            clock.advance(0.125)
            with pytest.raises(StaleFrame, match=r"camera 3: no frame younger than 0\.50 s; check") as stale:
                camera.read_latest(max_age_s=0.5)
            said.add(str(stale.value))
        assert len(said) == 1, "it stands in a fault that is published whenever it changes"
        capture.feed(grey(20))
        capture.wait_hungry()
        assert camera.read_latest(max_age_s=0.5).captured_s == 1.0


def test_a_device_that_stops_is_opened_again_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gone = [CameraError("camera 0: cannot be opened") for _ in range(7)]
    first, second = ScriptedCapture(grey(10), None), ScriptedCapture(grey(20), None)
    third = ScriptedCapture(grey(30))
    pauses_s: list[float] = []

    def wait(stop: threading.Event, duration_s: float) -> bool:
        pauses_s.append(duration_s)
        return stop.is_set()

    opener = opening(first, *gone, second, third)
    with running(OpenCvCamera(settings(0), ManualClock(), open_capture=opener, wait=wait), third) as camera:
        third.wait_hungry()
        assert level_of(camera) == 30
        assert pauses_s == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5]  # a frame makes the next pause short again
        assert first.closed.is_set() and second.closed.is_set()
    assert "gives no pictures" in caplog.text
    assert "gives pictures again" in caplog.text


def test_while_a_device_is_away_its_last_frame_grows_stale() -> None:
    clock, turnstile, capture = ManualClock(), Turnstile(), ScriptedCapture(grey(10), None)
    camera = OpenCvCamera(settings(0), clock, open_capture=opening(capture, CameraError("gone")), wait=turnstile)
    with stepping(camera, turnstile):
        turnstile.arrived_s()
        assert level_of(camera) == 10
        clock.advance(1.5)
        with pytest.raises(StaleFrame, match="camera 0: gives no pictures; see that no other program uses it"):
            camera.read_latest(max_age_s=1.0)


def test_leaving_does_not_sit_out_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.camera.threaded, "FIRST_PAUSE_S", 3600.0)
    capture = ScriptedCapture(grey(10), None)
    with OpenCvCamera(settings(0), ManualClock(), open_capture=opening(capture)):
        assert capture.closed.wait(PATIENCE_S)
    assert not [thread for thread in threading.enumerate() if thread.name == "camera 0"]


def test_a_camera_that_is_not_there_is_stale_with_its_reason_until_it_comes() -> None:
    turnstile, capture = Turnstile(), ScriptedCapture(grey(10))
    opener = opening(CameraError("camera 0: cannot be opened"), CameraError("camera 0: is busy"), capture)
    with OpenCvCamera(settings(0), ManualClock(), open_capture=opener, wait=turnstile) as camera:
        for reason, pause_s in (("cannot be opened", 0.5), ("is busy", 1.0)):
            assert turnstile.arrived_s() == pause_s
            with pytest.raises(StaleFrame, match=f"camera 0: {reason}"):
                camera.read_latest(max_age_s=1.0)
            turnstile.let_pass()
        capture.wait_hungry()
        assert level_of(camera) == 10
        capture.hang_up()
        turnstile.arrived_s()
        turnstile.open()


def test_a_camera_that_cannot_do_what_the_config_asks_fails_on_entering_and_is_not_tried_again() -> None:
    opener = opening(WrongCamera("camera 0 gave 640×480, config asks 1280×720"))
    with pytest.raises(WrongCamera, match="config asks 1280×720"):
        OpenCvCamera(settings(0), ManualClock(), open_capture=opener).__enter__()
    assert not [thread for thread in threading.enumerate() if thread.name == "camera 0"]


def test_another_camera_in_its_place_is_told_and_waited_for_like_one_that_is_away() -> None:
    turnstile, capture = Turnstile(), ScriptedCapture(grey(10), None)
    opener = opening(capture, WrongCamera("camera 0 gave 640×480"))
    clock = ManualClock()
    with stepping(OpenCvCamera(settings(0), clock, open_capture=opener, wait=turnstile), turnstile) as camera:
        turnstile.arrived_s()
        clock.advance(1.5)
        turnstile.let_pass()
        turnstile.arrived_s()
        with pytest.raises(StaleFrame, match="camera 0 gave 640×480"):
            camera.read_latest(max_age_s=1.0)


def test_a_device_that_hangs_while_it_is_opened_does_not_hold_the_bin_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.camera.threaded, "FIRST_FRAME_S", 0.01)
    capture = ScriptedCapture()
    with running(OpenCvCamera(settings(0), ManualClock(), open_capture=opening(capture)), capture) as camera:
        with pytest.raises(StaleFrame, match=r"camera 0: no picture within 0\.01 s of opening"):
            camera.read_latest(max_age_s=1.0)
        capture.feed(grey(10))
        capture.wait_hungry()
        assert level_of(camera) == 10


def test_a_bug_in_the_reader_thread_reaches_the_one_who_reads() -> None:
    capture = ScriptedCapture(grey(10), np.zeros((4, 4), np.uint8))
    with OpenCvCamera(settings(0), ManualClock(), open_capture=opening(capture)) as camera:
        assert capture.closed.wait(PATIENCE_S)
        _join(camera)
        with pytest.raises(RuntimeError, match="the thread that reads it failed: ValueError"):
            camera.read_latest(max_age_s=1.0)


def test_a_closed_camera_refuses_to_be_read_and_can_be_opened_again() -> None:
    first, second = ScriptedCapture(grey(10)), ScriptedCapture(grey(20))
    camera = OpenCvCamera(settings(0), ManualClock(), open_capture=opening(first, second))
    with pytest.raises(CameraError, match="not open"):
        camera.read_latest(max_age_s=1.0)
    with running(camera, first):
        pass
    with pytest.raises(CameraError, match="closed"):
        camera.read_latest(max_age_s=1.0)
    with running(camera, second):
        assert level_of(camera) == 20


# --- clips and folders


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four frames, 30 a second, each brighter than the one before."""
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (64, 48))
    for level in (40, 80, 120, 160):
        writer.write(grey(level, 64, 48))
    writer.release()
    return path


def test_a_clip_is_played_at_its_own_pace_and_again(clip: Path) -> None:
    turnstile, seen = Turnstile(), []
    with stepping(OpenCvCamera(settings(clip), ManualClock(), wait=turnstile), turnstile) as camera:
        for _ in range(6):
            assert turnstile.arrived_s() == pytest.approx(1 / 30)
            seen.append(level_of(camera))
            turnstile.let_pass()
        turnstile.arrived_s()
    assert seen == pytest.approx([40, 80, 120, 160, 40, 80], abs=3)


def test_a_clip_that_does_not_loop_ends(clip: Path) -> None:
    turnstile = Turnstile()
    camera = OpenCvCamera(settings(clip, loop=False, fps=60), ManualClock(), wait=turnstile)
    with stepping(camera, turnstile):
        for _ in range(4):
            assert turnstile.arrived_s() == pytest.approx(1 / 60)
            last = level_of(camera)  # the last frame stands for its time, too
            turnstile.let_pass()
        _join(camera)
        assert last == pytest.approx(160, abs=3)
        for _ in range(2):
            with pytest.raises(CameraEnded, match=r"camera\.loop: true plays it again"):
                camera.read_latest(max_age_s=1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for name, level in (("item10.png", 100), ("item2.JPG", 20), ("item1.webp", 10), ("item3.bmp", 30)):
        ok, encoded = cv2.imencode(Path(name).suffix.lower(), grey(level))
        assert ok
        (path / name).write_bytes(encoded.tobytes())
    (path / "notes.txt").write_text("not a picture, and it does not say it is one")
    return path


def test_a_folders_pictures_come_in_natural_order_and_stay_fresh_while_shown(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "item4.jpg").write_bytes(b"not a picture")
    clock, turnstile = ManualClock(), Turnstile()
    seen: list[int] = []
    with stepping(OpenCvCamera(settings(folder, fps=4), clock, wait=turnstile), turnstile) as camera:
        for _ in range(3 * 8):
            clock.advance(turnstile.arrived_s())
            assert camera.read_latest(max_age_s=0.101).seq == len(seen)
            seen.append(level_of(camera))
            turnstile.let_pass()
        turnstile.arrived_s()
    assert seen == pytest.approx([level for level in (10, 20, 30, 100) for _ in range(3)] * 2, abs=2)
    assert clock.monotonic_s() == pytest.approx(8 * 0.25)
    assert [record.getMessage() for record in caplog.records if "item4.jpg" in record.getMessage()] == [
        f"skipped {folder / 'item4.jpg'}: not a picture (first bytes b'not a pi'); "
        "expected a JPEG, PNG, WebP or BMP file"
    ]  # named once, not on every round


def test_a_folders_picture_is_shown_for_three_seconds_by_default(folder: Path) -> None:
    assert open_capture(settings(folder)).period_s == 3.0


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(WrongCamera, match=r"no pictures in this folder \(1 other files\); expected files that end in"):
        OpenCvCamera(settings(tmp_path), ManualClock()).__enter__()


def test_a_folder_of_unreadable_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(WrongCamera, match="not one readable picture"):
        OpenCvCamera(settings(tmp_path), ManualClock()).__enter__()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongCamera, match=r"camera .*nowhere\.mp4: no such file or folder; camera.source is"):
        OpenCvCamera(settings(tmp_path / "nowhere.mp4"), ManualClock()).__enter__()


def test_a_file_that_is_no_clip_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"this is not a clip")
    with pytest.raises(WrongCamera, match=r"clip\.mp4: cannot be opened; expected a clip that OpenCV can decode"):
        OpenCvCamera(settings(tmp_path / "clip.mp4"), ManualClock()).__enter__()


def test_a_missing_device_is_an_error_that_says_how_to_list_them(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        OpenCvCamera(settings(97), ManualClock()) as camera,
        pytest.raises(StaleFrame, match="camera 97: cannot be opened; list the devices with v4l2-ctl --list-devices"),
    ):
        camera.read_latest(max_age_s=1.0)
    assert capfd.readouterr().err == ""  # our error says it; OpenCV's own warnings are not added


# --- devices: what they say and what they give


class FakeVideo:
    """`cv2.VideoCapture` of a driver that has one mode, and keeps it whatever it is asked."""

    def __init__(self, says: tuple[int, int], gives: tuple[int, int], fps: float = 30.0, fourcc: str = "YUYV") -> None:
        self._fourcc = cv2.VideoWriter.fourcc(*fourcc)
        self._props = {cv2.CAP_PROP_FRAME_WIDTH: says[0], cv2.CAP_PROP_FRAME_HEIGHT: says[1], cv2.CAP_PROP_FPS: fps}
        self._gives = gives
        self.asked: dict[int, float] = {}
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def read(self) -> tuple[bool, Any]:
        bgr = np.zeros((self._gives[1], self._gives[0], 3), np.uint8)
        bgr[..., 0] = 200  # blue, in OpenCV's order
        return True, bgr

    def get(self, prop: int, /) -> float:
        return self._fourcc if prop == cv2.CAP_PROP_FOURCC else self._props[prop]

    def set(self, prop: int, value: float, /) -> bool:
        self.asked[prop] = value
        return True

    def release(self) -> None:
        self.released = True


def device(video: FakeVideo, **asked: Any) -> OpenCvCamera:
    opener = partial(open_capture, open_video=lambda source: video)
    return OpenCvCamera(settings(0, **asked), ManualClock(), open_capture=opener)


def test_a_device_is_asked_for_its_mode_and_gives_rgb() -> None:
    video = FakeVideo((1280, 720), (1280, 720), fps=29.97, fourcc="MJPG")
    with device(video, fourcc="MJPG", width_px=1280, height_px=720, fps=30) as camera:
        rgb = camera.read_latest(max_age_s=1.0).rgb
    assert rgb.shape == (720, 1280, 3)
    assert rgb[0, 0].tolist() == [0, 0, 200]
    assert list(video.asked.items()) == [
        (cv2.CAP_PROP_FOURCC, int.from_bytes(b"MJPG", "little")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 30),
    ], "the format first: sizes and rates depend on it"
    assert video.released


@pytest.mark.parametrize(
    "video",
    [
        pytest.param(FakeVideo((640, 480), (640, 480)), id="says so"),
        pytest.param(FakeVideo((1280, 720), (640, 480)), id="says otherwise"),
    ],
)
def test_a_device_that_gives_another_size_is_refused(video: FakeVideo) -> None:
    with pytest.raises(
        WrongCamera,
        match="camera 0 gave 640×480, config asks 1280×720; list its modes with v4l2-ctl --list-formats-ext",
    ):
        device(video, width_px=1280, height_px=720).__enter__()
    assert video.released


def test_a_device_that_gives_another_rate_is_refused() -> None:
    video = FakeVideo((640, 480), (640, 480), fps=10)
    with pytest.raises(WrongCamera, match="camera 0 gave 10 pictures a second, config asks 30"):
        device(video, fps=30).__enter__()
    assert video.released


@pytest.mark.parametrize(("gives", "said"), [("YUYV", "'YUYV'"), ("\0\0\0\0", r"'\\x00")])
def test_a_device_that_gives_another_format_is_refused(gives: str, said: str) -> None:
    video = FakeVideo((1280, 720), (1280, 720), fourcc=gives)
    with pytest.raises(WrongCamera, match=f"camera 0 gave the format {said}.*, config asks 'MJPG'"):
        device(video, fourcc="MJPG").__enter__()
    assert video.released


def test_a_device_by_its_path_is_one_even_while_it_is_unplugged() -> None:
    with pytest.raises(CameraError, match="by-id/usb-none: cannot be opened; list the devices"):
        open_capture(settings("/dev/v4l/by-id/usb-none"))


def test_a_device_that_does_not_say_its_rate_is_believed() -> None:
    with device(FakeVideo((640, 480), (640, 480), fps=0), fps=30) as camera:
        assert camera.read_latest(1.0).rgb.shape == (480, 640, 3)


def test_a_device_taken_as_it_is_is_asked_for_nothing() -> None:
    video = FakeVideo((640, 480), (640, 480))
    with device(video):
        pass
    assert video.asked == {}


def test_opencvs_own_failure_is_a_camera_error() -> None:
    video = FakeVideo((640, 480), (640, 480))
    failing = partial(open_capture, open_video=lambda source: video)(settings(0))

    def fail() -> tuple[bool, Any]:
        raise cv2.error("driver")

    video.read = fail  # type: ignore[method-assign]
    with pytest.raises(CameraError, match="camera 0: OpenCV fails to read it"):
        failing.read()


def _join(camera: OpenCvCamera) -> None:
    thread = camera._thread
    assert thread is not None
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("rtsp://admin:secret@10.0.0.7:554/tray", "rtsp://10.0.0.7:554/tray"),
        ("rtsp://admin:se/cr?et@10.0.0.7/tray", "rtsp://10.0.0.7/tray"),
        ("http://10.0.0.7/video?user=admin&password=secret", "http://10.0.0.7/video"),
        ("clips/a@b?.mp4", "clips/a@b?.mp4"),
        (0, "0"),
    ],
)
def test_a_streams_user_password_and_query_are_not_shown(source: int | str, expected: str) -> None:
    assert shown(source) == expected


def test_no_message_of_a_stream_holds_its_password() -> None:
    class Silent:
        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
            return False

        def release(self) -> None: ...

    settings = config.OpenCvCamera(type="opencv", source="rtsp://admin:secret@10.0.0.7/tray")
    with pytest.raises(CameraError, match=r"camera rtsp://10\.0\.0\.7/tray: cannot be opened") as caught:
        open_capture(settings, lambda source: Silent())  # type: ignore[arg-type, return-value]
    assert "secret" not in str(caught.value)
    with pytest.raises(CameraError, match=r"10\.0\.0\.7") as unopened:
        OpenCvCamera(settings, ManualClock()).read_latest(max_age_s=1.0)
    assert "secret" not in str(unopened.value)
