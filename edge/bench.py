"""`python -m edge bench`: what the daemon costs, beside the least that running its model can cost.

Absolute numbers belong to one machine; the ratios to the bare engine, measured in the same run, travel.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
import yaml
from rich.console import Console
from rich.table import Table

from edge.build import open_classifier, supervised_engine
from edge.clock import SystemClock
from edge.config import Config, load_config
from edge.decide import decide
from edge.domain import Box
from edge.errors import SmartbinError
from edge.faults import Faults
from edge.histogram import histogram
from edge.memory import resident_mib
from edge.readiness import policy_of
from edge.update.site import current_bundle

SAMPLE_S = 0.05
_BARE_ENGINE = """
import sys
from pathlib import Path
import numpy as np
from edge.bundle import load_bundle
from edge.engines.onnxruntime import OnnxRuntimeEngine
bundle = load_bundle(Path(sys.argv[1]))
with OnnxRuntimeEngine(bundle) as engine:
    for _ in range(4):
        engine.infer(bundle.golden.images[:1])
    print("ready", flush=True)
    sys.stdin.readline()
"""


@dataclass(frozen=True)
class Around:
    """What a picture costs besides the network: crop, resize, calibration, decision; medians in milliseconds.

    item_ms: of an item of 480 x 480 pixels in a frame of 1280 x 720. frame_ms: of the whole frame.
    """

    engine: str
    engine_ms: float
    item_ms: float
    frame_ms: float


@dataclass(frozen=True)
class Bench:
    """ready_s: seconds from the start of the process. *_mib: resident memory of all its processes, MiB, each shared
    page once. delay_frames: age of the newest frame when it was classified, in frames of the loop, p50. process_ms:
    what a picture costs more because the engine has a process of its own, p50. stages_ms: stage → [p50, p90].
    samples_ms: stage → each item's.
    """

    ready_s: float
    ready_mib: float
    sorting_p50_mib: float
    sorting_peak_mib: float
    bare_engine_ready_s: float
    bare_engine_mib: float
    items: int
    delay_frames: float
    process_ms: float
    stages_ms: dict[str, tuple[float, float]]
    samples_ms: dict[str, list[float]]
    around: Around


def bench_daemon(config_path: Path, *, items: int, as_json: bool) -> None:
    """Run the bin of a config on a private broker and state folder, watch its process, and print the result.

    Raises:
        ConfigError: the config cannot be used.
        SmartbinError: the daemon ended before it was ready, or with an error.
    """
    config = load_config(config_path)
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(private_config(config, Path(folder)), config, Path(folder), items)
    if as_json:
        print(json.dumps(asdict(result)))
    else:
        Console().print(_table(result))
        print(histogram(result.samples_ms))


FRAME = Box(0, 0, 1280, 720)
ITEM = Box(400, 120, 880, 600)  # with its margin, in such a frame


def measure_around(config: Config, *, rounds: int = 60) -> Around:
    """One picture from the frame to the decision, less the network's own time, in the same calls."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    frame = np.asarray(cv2.resize(noise, (FRAME.x1, FRAME.y1)), np.uint8)
    with open_classifier(config, Faults(SystemClock())) as classifier:
        policy, engine_s = policy_of(config, classifier.bundle), []
        around_s: dict[Box, list[float]] = {ITEM: [], FRAME: []}
        for turn in range(rounds + 3):
            for box, taken in around_s.items():
                started_s = time.perf_counter()
                prediction = classifier.predict(classifier.prepare([box.cut(frame)]))
                decide(prediction, policy)
                whole_s = time.perf_counter() - started_s
                if turn >= 3:  # the first turns allocate
                    engine_s.append(prediction.latency_s)
                    taken.append(whole_s - prediction.latency_s)
        item_ms, frame_ms = (1000 * statistics.median(around_s[box]) for box in (ITEM, FRAME))
        return Around(classifier.engine_name, 1000 * statistics.median(engine_s), item_ms, frame_ms)


def measure_process(config: Config, *, rounds: int = 60) -> float:
    """Milliseconds between asking the engine's process and having its answer that were not the engine's, median."""
    clock, bundle = SystemClock(), current_bundle(config)
    taken_s = []
    with supervised_engine(config, bundle, Faults(clock), clock) as engine:
        if not engine.wait():
            raise SmartbinError(f"no engine: {engine.away}")
        for turn in range(rounds + 3):
            engine.infer(bundle.golden.images[:1])
            if turn >= 3:
                taken_s.append(engine.overhead_s)
    return 1000 * statistics.median(taken_s)


def private_config(config: Config, folder: Path) -> Path:
    """The same bin on free ports and an empty state folder, so that a running one is not disturbed."""
    document = config.model_dump(mode="json", by_alias=True)
    document["state_dir"] = str(folder / "state")
    document["mqtt"] |= {"host": "127.0.0.1", "port": _free_port(), "embedded_broker": True}
    document["console"] |= {"host": "127.0.0.1", "port": _free_port(), "cert_file": None, "key_file": None}
    path = folder / "bench.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _measure(private: Path, config: Config, folder: Path, items: int) -> Bench:
    report = folder / "report.jsonl"
    process_ms = measure_process(load_config(private))  # leaves a built engine behind, as on a bin's second start
    run = ["-m", "edge", "run", "--config", str(private), "--max-items", str(items), "--report", str(report)]
    with _Watched([sys.executable, *run]) as daemon:
        ready_s = daemon.wait_ready()
        ready_mib = daemon.resident_mib()
        sorting_mib = daemon.sample_until_exit()
    with _Watched([sys.executable, "-c", _BARE_ENGINE, str(config.classify.bundle)]) as bare:
        bare_s = bare.wait_ready()
        bare_mib = bare.resident_mib()
        bare.end()
    events = [json.loads(line) for line in report.read_text().splitlines()]
    samples_ms = {stage: [event["latency_ms"][stage] for event in events] for stage in events[0]["latency_ms"]}
    stages = {stage: _p50_p90(samples) for stage, samples in samples_ms.items()}
    return Bench(
        ready_s, ready_mib, statistics.median(sorting_mib), max(sorting_mib), bare_s, bare_mib, len(events),
        config.loop_hz * statistics.median(event["frame"]["age_ms"] for event in events) / 1000,
        process_ms, stages, samples_ms, measure_around(load_config(private)),
    )  # fmt: skip


class _Watched:
    """A child process whose `ready` line and memory are watched."""

    def __init__(self, command: list[str]) -> None:
        self._started_s = time.monotonic()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._memory = psutil.Process(self._process.pid)

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def wait_ready(self) -> float:
        """Seconds until the process said that it was ready."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ready"):
                return time.monotonic() - self._started_s
        raise SmartbinError(f"the process ended with code {self._process.wait()} before it was ready; see above")

    def resident_mib(self) -> float:
        """Of the process and those that it started."""
        return resident_mib([self._process.pid, *(child.pid for child in self._memory.children(recursive=True))])

    def sample_until_exit(self) -> list[float]:
        """Resident memory, sampled until the process has ended."""
        assert self._process.stdout is not None
        drain = threading.Thread(target=self._process.stdout.read)
        drain.start()
        samples = [self.resident_mib()]
        while True:
            try:
                code = self._process.wait(SAMPLE_S)
                break
            except subprocess.TimeoutExpired:
                try:
                    samples.append(self.resident_mib())
                except (psutil.NoSuchProcess, OSError):  # it ends
                    continue
        drain.join()
        if code != 0:
            raise SmartbinError(f"the daemon ended with code {code}; see above")
        return [sample for sample in samples if sample > 0]

    def end(self) -> None:
        """Let the bare engine go."""
        self._process.communicate("\n")


def _p50_p90(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, round(0.9 * (len(ordered) - 1)))]


def _table(result: Bench) -> Table:
    table = Table(title=f"the daemon, {result.items} items, beside its bare engine in the same run")
    for column in ("figure", "daemon", "bare engine", "ratio"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    bare_s, bare_mib = result.bare_engine_ready_s, result.bare_engine_mib
    table.add_row("start to ready", f"{result.ready_s:.1f} s", f"{bare_s:.1f} s", f"{result.ready_s / bare_s:.2f}")
    for name, mib in (
        ("resident memory when ready", result.ready_mib),
        ("resident memory while sorting, p50", result.sorting_p50_mib),
        ("resident memory while sorting, peak", result.sorting_peak_mib),
    ):
        table.add_row(name, f"{mib:.0f} MiB", f"{bare_mib:.0f} MiB", f"{mib / bare_mib:.2f}")
    around = result.around
    for name, ms in (("an item", around.item_ms), ("a whole frame", around.frame_ms)):
        table.add_row(
            f"crop, resize, calibrate, decide: {name}", f"{ms:.2f} ms", f"{around.engine_ms:.2f} ms",
            f"{ms / around.engine_ms:.2f}",
        )  # fmt: skip
    table.add_row("the engine's own process, a picture", f"{result.process_ms:.2f} ms", "", "")
    table.add_row("delay, frames of the loop", f"{result.delay_frames:.2f}", "", "")
    for stage, (p50, p90) in result.stages_ms.items():
        table.add_row(f"{stage}, p50 / p90", f"{p50:.1f} / {p90:.1f} ms", "", "")
    return table
