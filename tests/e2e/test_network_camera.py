"""A bin whose camera is a stream on the network: it is away at first, comes, breaks and comes back; the bin sorts.

The stream shows the simulated tray, so an item leaves it when the bin's flap really opens. What serves it are Debian's
packages: ffmpeg for Motion JPEG over HTTP, GStreamer's RTSP server for RTSP over TCP.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge import config
from edge.build import open_daemon
from edge.clock import SystemClock
from edge.config import load_config
from edge.daemon import Daemon
from edge.domain import Outcome, SortEvent
from edge.sim.mechanism import SimulatedFlap
from edge.sim.tray import FootageCamera
from tests.brokers import free_port

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
WIDTH, HEIGHT, FPS = 512, 384, 15
PATIENCE_S = 60.0
LATE_S = 1.0  # for a machine that is busy with other things

FFMPEG = "ffmpeg -loglevel error -f rawvideo -pix_fmt rgb24 -s {size} -r {fps} -i - -q:v 2 -f mpjpeg -listen 1 {url}"


def mjpeg(port: int) -> tuple[str, list[str]]:
    """The stream's address, and what serves it from raw frames on stdin."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("the ffmpeg program is not installed (Debian package ffmpeg)")
    url = f"http://127.0.0.1:{port}/tray"
    return url, FFMPEG.format(size=f"{WIDTH}x{HEIGHT}", fps=FPS, url=url).split()


def rtsp(port: int) -> tuple[str, list[str]]:
    bindings = [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"]
    if shutil.which(SYSTEM_PYTHON) is None or subprocess.run(bindings, capture_output=True, check=False).returncode:
        pytest.skip("no GStreamer RTSP server (Debian packages gir1.2-gst-rtsp-server-1.0, python3-gi)")
    server = [SYSTEM_PYTHON, str(Path(__file__).with_name("rtsp_server.py"))]
    return f"rtsp://127.0.0.1:{port}/tray", [*server, *map(str, (port, WIDTH, HEIGHT, FPS))]


Kind = Callable[[int], tuple[str, list[str]]]


class NetworkCamera:
    """A program that serves the frames of the simulated tray on one port, and can be cut and started again."""

    def __init__(self, kind: Kind, *, serves: bool = True) -> None:
        self.port = free_port()
        self.url, self._command = kind(self.port)
        self.flap_open: Callable[[], str | None] = lambda: None
        self._tray = self._open_tray(opening_frames=10**9)
        if serves:
            self.start()

    def _open_tray(self, opening_frames: int) -> FootageCamera:
        settings, flap_open = config.FootageCamera(type="footage"), lambda: self.flap_open()
        return FootageCamera(settings, SystemClock(), flap_open, opening_frames=opening_frames).__enter__()

    def begin(self) -> None:
        """Until now the tray was empty; items come from now on."""
        self._tray = self._open_tray(opening_frames=0)

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
        self._stop = threading.Event()
        self._pump = threading.Thread(target=self._feed, args=(self.process, self._stop))
        self._pump.start()
        wait_until(self._listens, "the server listens")  # not by connecting: ffmpeg serves one client

    def cut(self) -> None:
        self._stop.set()
        self.process.kill()
        self.process.wait()
        self._pump.join()

    def close(self) -> None:
        self.cut()

    def _listens(self) -> bool:
        assert self.process.poll() is None, f"{self._command[0]} ended with {self.process.returncode}"
        sockets = psutil.Process(self.process.pid).net_connections("tcp")
        return any(socket.status == psutil.CONN_LISTEN and socket.laddr.port == self.port for socket in sockets)

    def _feed(self, process: subprocess.Popen[bytes], stop: threading.Event) -> None:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as frames:  # broken when it is cut
            while not stop.wait(1 / FPS):
                frames.write(self._tray.read_latest(10.0).rgb.tobytes())


class RunningBin:
    """The daemon of a bin with that camera, its loop in a thread."""

    def __init__(self, stack: ExitStack, camera: NetworkCamera, state_dir: Path) -> None:
        plain = load_config(ROOT / "configs/edge/sim.yaml")
        self.settings = plain.model_copy(
            update={
                "state_dir": state_dir,
                "camera": config.OpenCvCamera(type="opencv", source=camera.url),
                "mqtt": plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()}),
            }
        )
        stop = threading.Event()
        self.daemon: Daemon = stack.enter_context(open_daemon(self.settings, SystemClock(), stop=stop))
        actuator: Any = self.daemon.guard._actuator
        camera.flap_open = SimulatedFlap(
            self.settings.actuator, self.daemon.clock, actuator._servos._pin_factory
        ).open_over
        self.events: list[SortEvent] = []
        loop = threading.Thread(target=self.daemon.run, kwargs={"on_event": self.events.append})
        loop.start()
        stack.callback(loop.join)
        stack.callback(stop.set)
        self._camera = camera

    def begins(self) -> None:
        """It learns the empty tray; then items come."""
        wait_until(lambda: self.daemon.live.snapshot().phase == "waiting", "the empty tray is learnt")
        self._camera.begin()

    def sorts(self, items: int = 1) -> None:
        """So many more items arrive in their compartments."""
        before = len(self.events)
        wait_until(lambda: len(self.events) >= before + items, f"{items} more items")
        assert {event.outcome for event in self.events[before:]} == {Outcome.CONFIRMED}

    def codes(self) -> set[str]:
        return {fault.code for fault in self.daemon.faults.standing()} - {"broker_unreachable"}

    def stale_since(self) -> datetime:
        wait_until(lambda: "camera_stale" in self.codes(), "camera_stale")
        return next(fault.since for fault in self.daemon.faults.standing() if fault.code == "camera_stale")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(mjpeg, marks=pytest.mark.needs_ffmpeg, id="mjpeg"),
        pytest.param(rtsp, marks=pytest.mark.needs_gstreamer, id="rtsp"),
    ],
)
def test_a_stream_that_is_away_at_boot_or_cut_is_told_at_once_and_used_as_soon_as_it_is_there(
    stack: ExitStack, tmp_path: Path, kind: Kind
) -> None:
    camera = NetworkCamera(kind, serves=False)
    running = RunningBin(stack, camera, tmp_path)
    running.stale_since()
    camera.start()
    stack.callback(camera.close)
    running.begins()
    running.sorts()
    camera.cut()
    cut_at = datetime.now(timezone.utc)
    took_s = (running.stale_since() - cut_at).total_seconds()
    assert took_s <= running.settings.max_frame_age_s + LATE_S
    sorted_before = len(running.events)
    camera.start()
    wait_until(lambda: "camera_stale" not in running.codes(), "the stream is used again")
    assert len(running.events) == sorted_before, "nothing was classified or moved meanwhile"
    running.sorts(2)
    assert running.codes() == set()


@pytest.mark.needs_gstreamer
def test_a_stream_that_falls_silent_without_being_cut_is_told_as_soon_and_used_when_it_goes_on(
    stack: ExitStack, tmp_path: Path
) -> None:
    camera = NetworkCamera(rtsp)
    stack.callback(camera.close)
    running = RunningBin(stack, camera, tmp_path)
    running.begins()
    running.sorts()
    camera.process.send_signal(signal.SIGSTOP)
    stopped_at = datetime.now(timezone.utc)
    took_s = (running.stale_since() - stopped_at).total_seconds()
    assert took_s <= running.settings.max_frame_age_s + LATE_S
    camera.process.send_signal(signal.SIGCONT)
    wait_until(lambda: "camera_stale" not in running.codes(), "the stream is used again")
    running.sorts()
    assert running.codes() == set()
