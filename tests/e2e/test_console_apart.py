"""Whatever becomes of the console, the bin sorts on; and what it costs to look at it is measured."""

from __future__ import annotations

import json
import signal
import socket
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from edge.bench_viewers import ROUND, watched
from edge.config import load_config
from edge.console.access.sessions import FIRST_WAIT_S, FREE
from edge.control import ControlClient
from tests.e2e.daemons import RunningDaemon, edge, free_port, sim_config


def test_a_console_that_hangs_is_flooded_and_is_killed_does_not_touch_the_sorting(tmp_path: Path) -> None:
    config = sim_config(tmp_path, console={"port": (port := free_port())}, actuator={"move_timeout_s": 60})
    report = tmp_path / "report.jsonl"
    with RunningDaemon(config, "--console", "--report", report) as daemon:

        def sorts_on() -> None:
            more_items(daemon, report)

        daemon.has_told("console: http")
        console = console_of(daemon)
        assert console.nice() == 10
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as page:
            assert page.get("/tray.jpg").status_code == 200
        console.send_signal(signal.SIGSTOP)
        sorts_on()
        console.send_signal(signal.SIGCONT)
        with Flood(port) as flood:
            sorts_on()
        assert flood.answers > 50
        console.kill()
        sorts_on()
        assert ControlClient(load_config(config).control_socket).request("status")
        assert daemon.end(signal.SIGTERM) == 0
    events = [json.loads(line) for line in report.read_text().splitlines()]
    assert {event["actuation"]["outcome"] for event in events} == {"CONFIRMED"}


def test_a_thousand_wrong_passwords_lock_the_address_out_and_the_bin_sorts_on(tmp_path: Path) -> None:
    console = {"port": (port := free_port()), "login": "always"}
    config = sim_config(tmp_path, console=console, actuator={"move_timeout_s": 60})
    report = tmp_path / "report.jsonl"
    with RunningDaemon(config, "--console", "--report", report) as daemon:
        daemon.has_told(f"console: {(told := 'the password of the technician is ')}")
        right = daemon.output.partition(told)[2].split()[0]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as page:

            def log_in(password: str) -> httpx.Response:
                return page.post("/login", data={"role": "technician", "password": password})

            first = [log_in(f"wrong-{number}").status_code for number in range(FREE)]
            locked = log_in(right)
            more = [log_in(f"wrong-{number}").status_code for number in range(FREE, 1000)]
            assert first == [401] * FREE
            assert locked.status_code == 429 and "Too many wrong passwords" in locked.text
            assert more.count(429) + more.count(401) == len(more)
            assert more.count(401) < 8, "a machine so slow that waits run out meanwhile: each is twice as long"
            daemon.has_told(f"{FREE} wrong passwords for the console from 127.0.0.1; it must wait {FIRST_WAIT_S:g} s")
            more_items(daemon, report)
            while (answer := log_in(right)).status_code == 429:
                more_items(daemon, report)
            assert answer.status_code == 303
            assert page.get("/tray.jpg").status_code == 200
        assert daemon.end(signal.SIGTERM) == 0
    events = [json.loads(line) for line in report.read_text().splitlines()]
    assert {event["actuation"]["outcome"] for event in events} == {"CONFIRMED"}


def more_items(daemon: RunningDaemon, report: Path) -> None:
    """Wait until an item is sorted that was laid down after now."""
    done = len(report.read_text().splitlines())
    daemon.wait_for(f"{done + 2} ")  # the next one may have been decided on already


def console_of(daemon: RunningDaemon) -> psutil.Process:
    children = psutil.Process(daemon.process.pid).children()
    [console] = [child for child in children if "--with-parent" in child.cmdline()]
    return console


class Flood:
    """Eight clients that ask for the picture as fast as they are answered, and a hundred that say nothing."""

    def __init__(self, port: int) -> None:
        self.answers = 0
        self._port, self._ended, self._under_way = port, threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(8)]

    def __enter__(self) -> Flood:
        self._silent = [socket.create_connection(("127.0.0.1", self._port)) for _ in range(100)]
        for thread in self._threads:
            thread.start()
        assert self._under_way.wait(120)
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for connection in self._silent:
            connection.close()

    def _ask(self) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60) as client:
            while not self._ended.is_set():
                client.get("/tray.jpg")
                self.answers += 1
                if self.answers > 50:
                    self._under_way.set()


def test_the_cost_of_viewers_is_measured_beside_decisions_without_any() -> None:
    done = edge("bench", "--viewers", "2", "--items", "4", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (len(result["without_ms"]), len(result["with_ms"])) == (1, 2)
    assert result["ratio"] > 0
    assert result["pictures_hz"] >= 0  # a busy machine may show none in so short a time


def test_too_few_items_to_compare_are_refused() -> None:
    done = edge("bench", "--viewers", "1", "--items", "2")
    assert done.returncode == 3
    assert "at least 3" in done.stderr


@pytest.mark.parametrize("place", range(ROUND // 2))
def test_every_item_of_the_footage_is_seen_once_with_and_once_without_viewers(place: int) -> None:
    assert watched(place) is not watched(place + ROUND // 2)
