"""`python -m edge bench --viewers N`: what a decision costs while people look at the console, and while nobody does.

Items alternate: for one the console and its viewers run, for the next they stand still (SIGSTOP), so that both halves
see the same machine, the same minutes and the same pictures.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from edge.bench import private_config
from edge.config import load_config
from edge.errors import ConfigError, SmartbinError
from edge.histogram import histogram
from edge.terminal import console_process

PICTURE_S, TICK_S = 0.125, 0.4
"""How often a page asks for the next picture, and for what changed: edge/console/page.js, edge/console/live.py."""
ANSWER_S, START_S = 60.0, 120.0
LEAST, ROUND = 3, 24
"""Items: as few as can be compared, and after how many each of the twelve was seen with and without."""


@dataclass(frozen=True)
class Viewing:
    """Each item's milliseconds from its newest frame to the decision, without and with viewers, and the ratio of the
    medians. pictures_hz: so many pictures of the tray a viewer saw a second.
    """

    viewers: int
    without_ms: list[float]
    with_ms: list[float]
    ratio: float
    pictures_hz: float


def bench_viewers(config_path: Path, *, viewers: int, items: int, as_json: bool) -> None:
    """Sort so many items, best a multiple of `ROUND`, while viewers come and go, and print the result.

    Raises:
        ConfigError: the config cannot be used.
        SmartbinError: the daemon or the console ended early.
    """
    if items < LEAST:
        raise ConfigError(
            f"--items {items}; with --viewers at least {LEAST}: the first is left out, then one of each kind"
        )
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(private_config(load_config(config_path), Path(folder)), viewers, items)
    if as_json:
        print(json.dumps(asdict(result)))
        return
    table = Table(title=f"from the newest frame to the decision, {viewers} viewers of the console beside none, one run")
    for column in ("figure", "without", "with", "ratio"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, rank in (("p50", 0.5), ("p90", 0.9)):
        without, with_ = (_quantile(samples, rank) for samples in (result.without_ms, result.with_ms))
        table.add_row(name, f"{without:.1f} ms", f"{with_:.1f} ms", f"{with_ / without:.2f}")
    table.add_row("items", str(len(result.without_ms)), str(len(result.with_ms)), "")
    table.add_row("pictures a second and viewer", "", f"{result.pictures_hz:.1f}", "")
    Console().print(table)
    print(histogram({"without": result.without_ms, "with": result.with_ms}))


def watched(item: int) -> bool:
    """Whether viewers look while this item, counted from 0, is decided on."""
    return bool((item + item // (ROUND // 2)) % 2)


class Viewer(threading.Thread):
    """One open Live tab, without the browser: it asks for what page.js and gradio's timer ask for, as often."""

    def __init__(self, url: str, running: threading.Event, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._client = httpx.Client(base_url=url, timeout=ANSWER_S)
        self._running, self._ended = running, ended
        self._call, self._beat, self._known = _timer(self._client), "", ""
        self.pictures, self.looked_s = 0, 0.0

    def run(self) -> None:
        next_tick_s = 0.0
        while not self._ended.is_set():
            self._running.wait()
            started_s = time.monotonic()
            try:
                self._look()
                if started_s >= next_tick_s:
                    next_tick_s = started_s + TICK_S
                    self._tick()
            except httpx.HTTPError:
                continue  # the console stands still, or ends
            self._ended.wait(max(0.0, PICTURE_S - (time.monotonic() - started_s)))
            self.looked_s += time.monotonic() - started_s

    def _look(self) -> None:
        answer = self._client.get("/tray.jpg", params={"known": self._known})
        if answer.status_code == 200:
            self.pictures += 1
            self._known = answer.headers["x-seq"]

    def _tick(self) -> None:
        answer = self._client.post("/gradio_api/run/predict", json=self._call | {"data": [self._beat]})
        answer.raise_for_status()
        self._beat = answer.json()["data"][-1]


def _timer(client: httpx.Client) -> dict[str, Any]:
    """The call that the page's timer makes."""
    for call in client.get("/config").raise_for_status().json()["dependencies"]:
        if any(event == "tick" for _, event in call["targets"]):
            return {"fn_index": call["id"], "session_hash": os.urandom(6).hex()}
    raise SmartbinError(
        "the console's page has no timer any more; edge/bench_viewers.py asks for what the page asks for"
    )


def _measure(private: Path, viewers: int, items: int) -> Viewing:
    config, report = load_config(private), private.parent / "report.jsonl"
    command = [sys.executable, "-m", "edge", "run", "--config", str(private), "--report", str(report)]
    running, ended = threading.Event(), threading.Event()
    with ExitStack() as stack:
        daemon = stack.enter_context(_daemon([*command, "--max-items", str(items)]))
        console = stack.enter_context(console_process(private, config))
        stack.callback(os.kill, console, signal.SIGCONT)  # before it is ended
        url = f"http://{config.console.host}:{config.console.port}"
        _wait_for(url)
        audience = [Viewer(url, running, ended) for _ in range(viewers)]
        stack.callback(running.set)
        stack.callback(ended.set)
        for viewer in audience:
            viewer.start()
        lines = (line for line in daemon if line.split()[:1] and line.split()[0].isdigit())
        for item, _ in zip(track(range(items), description="items"), lines, strict=False):
            # This item is decided on; how the next one is to be?
            (running.set if watched(item + 1) else running.clear)()
            os.kill(console, signal.SIGCONT if watched(item + 1) else signal.SIGSTOP)
    events = [json.loads(line) for line in report.read_text().splitlines()]
    if len(events) < items:
        raise SmartbinError(f"the daemon ended after {len(events)} items of {items}; see above")
    decided = [_decision_ms(event) for event in events]
    # The first item was looked at while the console started.
    without, with_ = ([ms for i, ms in enumerate(decided) if i and watched(i) is looked] for looked in (False, True))
    looked_s = sum(viewer.looked_s for viewer in audience)
    rate = sum(viewer.pictures for viewer in audience) / looked_s if looked_s else 0.0
    return Viewing(viewers, without, with_, statistics.median(with_) / statistics.median(without), rate)


@contextmanager
def _daemon(command: list[str]) -> Iterator[Iterator[str]]:
    """Its lines, from `ready` on."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("ready"):
                    break
            else:
                raise SmartbinError(f"the daemon ended with code {process.wait()} before it was ready; see above")
            yield process.stdout
        finally:
            process.kill()


def _wait_for(url: str) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        try:
            if httpx.get(f"{url}/alive").is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SmartbinError(f"the console does not answer at {url} within {START_S:.0f} s; see above")


def _decision_ms(event: dict[str, Any]) -> float:
    latency = event["latency_ms"]
    return float(event["frame"]["age_ms"] + sum(latency[stage] for stage in ("preprocess", "infer", "decide")))


def _quantile(samples: list[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]
