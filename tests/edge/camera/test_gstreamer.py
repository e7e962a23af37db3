"""GStreamer pipelines: what is run, what comes out of it, and what is said when nothing does."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pydantic import ValidationError

import edge.camera.gstreamer
from edge import config
from edge.camera.gstreamer import GStreamerCamera, GStreamerCapture, command_of, hidden
from edge.clock import SystemClock
from edge.errors import CameraError, WrongCamera

RED = 0xFFFF0000  # ARGB, as videotestsrc takes it


def settings(
    pipeline: str, width_px: int = 96, height_px: int = 64, fps: float | None = None
) -> config.GStreamerCamera:
    return config.GStreamerCamera(type="gstreamer", pipeline=pipeline, width_px=width_px, height_px=height_px, fps=fps)


def solid(colour: int = RED, more: str = "is-live=true") -> str:
    return f"videotestsrc pattern=solid-color foreground-color={colour} {more}"


@pytest.fixture
def gstreamer() -> None:
    if shutil.which("gst-launch-1.0") is None:
        pytest.skip("no gst-launch-1.0; install Debian's gstreamer1.0-tools and gstreamer1.0-plugins-base")


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No process, thread or pipe of the test's own outlives it."""
    here = psutil.Process()
    before, threads = here.num_fds(), set(threading.enumerate())
    yield
    assert [child.name() for child in here.children() if child.status() != psutil.STATUS_ZOMBIE] == []
    assert set(threading.enumerate()) <= threads
    assert here.num_fds() == before


def test_the_command_asks_for_exactly_what_the_config_says_and_keeps_only_the_newest_frame() -> None:
    command = command_of(settings("libcamerasrc camera-name='a b' ! video/x-raw,width=96", fps=29.97), 7)
    assert command[:5] == ["gst-launch-1.0", "--quiet", "libcamerasrc", "camera-name=a b", "!"]
    assert "video/x-raw,format=RGB,width=96,height=64,framerate=30000/1001" in command
    assert "leaky=downstream" in command and "max-size-buffers=1" in command
    assert command[-3:] == ["fdsink", "fd=7", "sync=false"]


@pytest.mark.parametrize(("fps", "said"), [(30, "30/1"), (12.5, "25/2"), (59.94, "60000/1001"), (7.5, "15/2")])
def test_a_rate_is_said_as_cameras_say_it(fps: float, said: str) -> None:
    assert any(f"framerate={said}" in word for word in command_of(settings("videotestsrc", fps=fps), 7))


@pytest.mark.parametrize("pipeline", ["", "  ", "! videoconvert", "v4l2src !", "v4l2src device='/dev/video0"])
def test_a_pipeline_that_cannot_be_one_is_refused_with_the_config(pipeline: str) -> None:
    with pytest.raises(ValidationError, match="pipeline"):
        settings(pipeline)


def test_messages_do_not_hold_passwords() -> None:
    said = hidden("Could not open rtsp://admin:se/c@ret@10.0.0.7:554/tray?token=abc and http://h/x?password=1 now")
    assert said == "Could not open rtsp://10.0.0.7:554/tray and http://h/x now"
    assert "secret" not in GStreamerCamera(settings("rtspsrc user-pw=secret ! decodebin"), SystemClock())._name


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch, nothing_left: None) -> None:
    monkeypatch.setattr(edge.camera.gstreamer, "PROGRAM", "gst-launch-0.0")
    with pytest.raises(WrongCamera, match=r"camera videotestsrc: no program gst-launch-0\.0; install it: apt install"):
        GStreamerCapture(settings("videotestsrc"))


@pytest.mark.needs_gstreamer
@pytest.mark.parametrize("width_px", [96, 97, 98, 99])
def test_pictures_are_rgb_whatever_their_width(gstreamer: None, nothing_left: None, width_px: int) -> None:
    with GStreamerCamera(settings(solid(), width_px=width_px), SystemClock()) as camera:
        rgb = camera.read_latest(max_age_s=5.0).rgb
        assert rgb.shape == (64, width_px, 3)
        assert np.ptp(rgb, axis=(0, 1)).max() <= 2, "no row is shifted"
        assert rgb[0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.needs_gstreamer
@pytest.mark.parametrize(
    ("pipeline", "fps", "kind", "said"),
    [
        ("nosuchsrc", None, WrongCamera, 'no element "nosuchsrc"'),
        (f"{solid()} ! video/x-raw,width=320,height=240", None, WrongCamera, "link|negotiat"),
        (f"{solid()} ! video/x-raw,framerate=10/1", 30, WrongCamera, "link|negotiat"),
        ("filesrc location=/nowhere/clip.mp4 ! decodebin", None, CameraError, "doesn't want to preroll"),
        ("uridecodebin uri=nope://u:secret@127.0.0.1/tray", None, CameraError, "URI"),
    ],
)
def test_what_gstreamer_says_of_a_pipeline_that_does_not_run_is_shown(
    gstreamer: None, nothing_left: None, pipeline: str, fps: float | None, kind: type[CameraError], said: str
) -> None:
    said = rf"the pipeline ended \(exit code \d+\); gst-launch-1.0 said: .*({said})"
    with (
        contextlib.closing(GStreamerCapture(settings(pipeline, fps=fps))) as capture,
        pytest.raises(CameraError, match=said) as caught,
    ):
        capture.read()
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)


@pytest.mark.needs_gstreamer
def test_a_pipeline_that_ends_is_run_again(
    gstreamer: None, nothing_left: None, caplog: pytest.LogCaptureFixture
) -> None:
    opened = threading.Semaphore(0)

    def open_counted(wanted: config.GStreamerCamera) -> Any:
        opened.release()
        return GStreamerCapture(wanted)

    def at_once(stop: threading.Event, duration_s: float) -> bool:
        return stop.is_set()

    short = settings(solid(more="num-buffers=3"))
    with GStreamerCamera(short, SystemClock(), open_capture=open_counted, wait=at_once) as camera:
        for _ in range(3):
            assert opened.acquire(timeout=20)
        assert camera.read_latest(max_age_s=20).rgb.shape == (64, 96, 3)
    assert "the pipeline ended (exit code 0)" in caplog.text


@pytest.mark.needs_gstreamer
def test_a_pipeline_that_hangs_is_noticed_and_ended(
    gstreamer: None, nothing_left: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(edge.camera.gstreamer, "FRAME_TIMEOUT_S", 0.1)
    capture = GStreamerCapture(settings(f"{solid()} ! valve drop=true"))
    assert capture.read() is None
    capture.close()
    capture.close()
    assert capture._process.returncode is not None
