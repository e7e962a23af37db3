"""`python -m edge simulate --items N`: many items in simulated time, and whether anything grows or slows down.

The daemon is the one that ships, with its journal, its MQTT, its engine's process and its observers. What is small is
the picture (edge/simulate/small_footage.py), and what may stand in for the network is edge/sim/stand_in.py.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import Config
from edge.config import FootageCamera as FootageConfig
from edge.daemon import Daemon
from edge.domain import Camera, SortEvent
from edge.engines.process import WORKER
from edge.engines.supervised import SupervisedEngine
from edge.errors import BrokerError, ConfigError
from edge.memory import keep_little, resident_mib
from edge.sim.hardware import SimulatedHardware
from edge.sim.stand_in import COMMAND
from edge.sim.tray import FootageCamera
from edge.simulate.plot import Panel, draw
from edge.simulate.small_footage import make_small_footage

WINDOWS, WINDOW_ITEMS = 100, 10
"""So many stretches, or fewer of so many items each."""
WARM_UP = 0.2
"""Share of the run after which nothing may grow."""
BACKLOG = 20
"""So many events may wait for the broker; simulated time stands still meanwhile."""
EMPTY_S = 0.2
STEADY_WINDOWS = 5
"""Fewer say nothing of a 99th percentile."""
SLOWER = 1.5
"""The 99th percentile of a cycle's processor time may be so many times what it was after the warm-up."""


@dataclass(frozen=True)
class Window:
    """A stretch of the run: items so far, resident memory of daemon and engine, the daemon's file descriptors and
    threads, median and 99th percentile of a cycle's processor time, 99th percentile of its wall time.
    """

    items: int
    memory_mib: float
    descriptors: int
    threads: int
    cpu_p50_ms: float
    cpu_p99_ms: float
    wall_p99_ms: float


@dataclass(frozen=True)
class Soak:
    """growth_percent: of memory, from the windows after the warm-up to the last ones. missed: limits that were."""

    engine: str
    items: int
    undelivered: int
    faults: tuple[str, ...]
    simulated_s: float
    took_s: float
    growth_percent: float
    windows: tuple[Window, ...]
    missed: tuple[str, ...]


def soak(
    config: Config,
    items: int,
    *,
    real_engine: bool,
    max_growth_percent: float,
    tell: Callable[[Window], None] = lambda window: None,
) -> Soak:
    """Sort so many items and look for what grows.

    Raises:
        ConfigError: this bin is not a simulated one.
        BrokerError: the broker of its own does not start.
    """
    if config.camera.type != "footage":
        raise ConfigError(f"camera.type: {config.camera.type}; a soak is for a simulated bin: type footage")
    keep_little()
    with tempfile.TemporaryDirectory() as name, _broker(config) as mqtt:
        folder = Path(name)
        make_small_footage(folder)
        quick = _quick(config, folder, mqtt)
        clock, hardware, stop = ManualClock(), SimulatedHardware(), threading.Event()
        with open_daemon(
            quick,
            clock,
            stop=stop,
            around_camera=lambda _: _small_camera(quick, clock, hardware, folder),
            hardware=hardware,
            engine_command=WORKER if real_engine else COMMAND,
        ) as daemon:
            watcher = _Watcher(daemon, stop, items, tell)
            started_s = time.monotonic()
            daemon.run(on_event=watcher.sorted)
            took_s, left = time.monotonic() - started_s, daemon.finish()
            engine, faults = daemon.classifier.engine_name, tuple(fault.code for fault in daemon.faults.standing())
    growth, missed = judge(watcher.windows, max_growth_percent)
    if left:
        missed.append(f"{left} events were not taken by the broker")
    if faults:
        missed.append(f"faults stand: {', '.join(faults)}")
    return Soak(
        engine, watcher.items, left, faults, clock.monotonic_s(), took_s, growth, tuple(watcher.windows), tuple(missed)
    )


class _Watcher:
    """Measures the loop from its own thread; waits for the broker when it falls behind."""

    def __init__(self, daemon: Daemon, stop: threading.Event, items: int, tell: Callable[[Window], None]) -> None:
        self._daemon, self._stop, self._wanted, self._tell = daemon, stop, items, tell
        self._every = max(WINDOW_ITEMS, items // WINDOWS)
        self._process = psutil.Process()
        self.items, self.windows = 0, list[Window]()
        self._cpu_s: list[float] = []
        self._wall_s: list[float] = []
        self._cycle, daemon.sorter.cycle = daemon.sorter.cycle, self._timed  # type: ignore[method-assign]

    def _timed(self) -> SortEvent | None:
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            return self._cycle()
        finally:
            self._cpu_s.append(time.thread_time() - cpu_s)
            self._wall_s.append(time.perf_counter() - wall_s)

    def sorted(self, event: SortEvent) -> None:
        self.items += 1
        while self._daemon.publisher.connected and self._daemon.journal.depth() > BACKLOG:
            time.sleep(0.001)
        if self.items % self._every == 0:
            self.windows.append(self._window())
            self._tell(self.windows[-1])
        if self.items >= self._wanted:
            self._stop.set()

    def _window(self) -> Window:
        engine = self._daemon.classifier.engine
        assert isinstance(engine, SupervisedEngine)
        pids = [os.getpid()] + ([] if engine.pid is None else [engine.pid])
        cpu_ms, wall_ms = 1000 * np.array(self._cpu_s), 1000 * np.array(self._wall_s)
        self._cpu_s.clear()
        self._wall_s.clear()
        return Window(
            self.items, resident_mib(pids), self._process.num_fds(), self._process.num_threads(),
            float(np.median(cpu_ms)), float(np.percentile(cpu_ms, 99)), float(np.percentile(wall_ms, 99)),
        )  # fmt: skip


def judge(windows: Sequence[Window], max_growth_percent: float) -> tuple[float, list[str]]:
    """The growth of memory after the warm-up, percent; and which limits were missed."""
    warm = windows[int(WARM_UP * len(windows)) :]
    part = max(1, len(warm) // 5)
    before, after = warm[:part], warm[-part:]

    def middle(windows: Sequence[Window], field: str) -> float:
        return float(statistics.median(getattr(window, field) for window in windows))

    growth = 100 * (middle(after, "memory_mib") / middle(before, "memory_mib") - 1)
    missed = []
    if growth > max_growth_percent:
        missed.append(f"memory grew by {growth:.2f} %, at most {max_growth_percent:g} % is allowed")
    for field in ("descriptors", "threads"):
        if middle(after, field) > middle(before, field):
            missed.append(f"{field}: {middle(after, field):g} in the end, {middle(before, field):g} after the warm-up")
    slower = middle(after, "cpu_p99_ms") / middle(before, "cpu_p99_ms")
    if part >= STEADY_WINDOWS and slower > SLOWER:
        missed.append(f"a cycle's 99th percentile is {slower:.2f} times what it was, at most {SLOWER:g} is allowed")
    return growth, missed


def _quick(config: Config, folder: Path, mqtt: dict[str, Any]) -> Config:
    """The same bin, with items that take few cycles."""
    document = config.model_dump(mode="json", by_alias=True)
    document["state_dir"] = str(folder / "state")
    document["mqtt"] |= mqtt
    document["classify"]["frames"] = 1
    document["presence"]["still_s"] = 0.1
    document["actuator"] |= {"speed_deg_s": 600, "hold_open_s": 0.1, "max_moves_per_min": 600}
    return Config.model_validate(document)


def _small_camera(config: Config, clock: ManualClock, hardware: SimulatedHardware, footage: Path) -> Camera:
    assert isinstance(config.camera, FootageConfig)
    return FootageCamera(
        config.camera, clock, hardware.mechanism.open_over, item_fell=hardware.item_fell, footage=footage,
        empty_s=EMPTY_S,
    )  # fmt: skip


@contextmanager
def _broker(config: Config) -> Iterator[dict[str, Any]]:
    """What `mqtt` must say: a config's embedded broker runs in a process of its own, so that it is not measured."""
    if not config.mqtt.embedded_broker:
        yield {}
        return
    command = [sys.executable, "-m", "edge.mqtt.embedded_broker", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.startswith("listening on "):
                raise BrokerError("the embedded broker did not start; see above")
            host, _, port = said.split()[-1].rpartition(":")
            yield {"embedded_broker": False, "host": host, "port": int(port)}
        finally:
            process.terminate()


def write_report(result: Soak, report: Path) -> None:
    """All figures, as JSON."""
    report.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")


def write_plot(result: Soak, plot: Path) -> None:
    """Memory, descriptors and threads, and a cycle's time over the items, as PNG."""

    def of(field: str) -> list[float]:
        return [float(getattr(window, field)) for window in result.windows]

    title = f"{result.items:,} items, engine {result.engine}: memory {result.growth_percent:+.2f} % after the warm-up"
    panels = (
        Panel("resident memory, daemon and engine, MiB", {"memory": of("memory_mib")}),
        Panel("of the daemon", {"file descriptors": of("descriptors"), "threads": of("threads")}),
        Panel("processor time of a cycle, ms", {"p50": of("cpu_p50_ms"), "p99": of("cpu_p99_ms")}),
    )
    draw(plot, title, "items", of("items"), panels)
