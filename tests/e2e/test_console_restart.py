"""A bin that a technician restarts from the page: with something that starts it again, as systemd does, and without."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, expect

from edge.restart import EXIT_CODE
from tests.browser import browser, open_tab, page, screenshot
from tests.e2e.daemons import PATIENCE_S, ROOT, RunningDaemon, edge, free_port, quiet, sim_config

__all__ = ["browser", "page"]

PATIENCE_MS = 90_000


class Service:
    """Starts the bin, and starts it again whenever it ends, as smartbin.service with Restart=always does."""

    def __init__(self, config: Path, folder: Path) -> None:
        self.codes: list[int] = []
        self.ready = threading.Event()
        self._config, self._ended = config, False
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self._environment = quiet() | {"NOTIFY_SOCKET": str(folder / "notify"), "INVOCATION_ID": "0"}
        self._threads = [threading.Thread(target=each) for each in (self._run, self._hear)]

    def __enter__(self) -> Service:
        for thread in self._threads:
            thread.start()
        assert self.ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended = True
        self._process.terminate()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._notified.close()

    def _run(self) -> None:
        command = [sys.executable, "-m", "edge", "run", "--config", str(self._config)]
        while not self._ended:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=self._environment)
            self.codes.append(self._process.wait())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._environment["NOTIFY_SOCKET"])

    def _hear(self) -> None:
        while said := self._notified.recv(4096):
            if said.startswith(b"READY=1"):
                self.ready.set()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return sim_config(tmp_path, console={"port": free_port()}, actuator={"move_timeout_s": 60})


@pytest.fixture
def url(config: Path) -> Iterator[str]:
    """A console that is a service of its own."""
    command = [sys.executable, "-m", "edge", "console", "--config", str(config)]
    console = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert console.stdout is not None
    yield console.stdout.readline().strip().removeprefix("console: ")
    console.terminate()
    console.communicate(timeout=PATIENCE_S)


def opened(page: Page, url: str) -> None:
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.route("**/alive", lambda route: route.abort())
    page.goto(url, timeout=PATIENCE_MS)
    open_tab(page, "Setup")


@pytest.mark.browser
def test_a_technician_restarts_the_bin_and_what_waited_for_that_holds(
    page: Page, url: str, config: Path, tmp_path: Path
) -> None:
    with Service(config, tmp_path) as bin_:
        opened(page, url)
        said = page.locator("#setup-said")
        page.get_by_label("Left, %").fill("5")
        page.get_by_role("button", name="Check and write").click()
        expect(said).to_contain_text("Holds after the next start: where the tray is")
        expect(page.locator("#setup-form")).to_contain_text("Waits for the next start: where the tray is")

        page.get_by_role("button", name="Restart the bin").click()
        page.get_by_role("button", name="Not now").click()
        expect(page.locator("#setup-confirm")).to_be_hidden()
        assert bin_.codes == []

        page.get_by_role("button", name="Restart the bin").click()
        screenshot(page, "console-restart")
        page.get_by_role("button", name="Yes").click()
        expect(said).to_contain_text("The bin restarts")
        expect(said).to_contain_text("The bin was restarted")
        expect(page.locator("#setup-form")).not_to_contain_text("Waits for the next start")
        expect(page.locator("#setup-over")).to_contain_text("Set up here, before the config file: where the tray is")
        assert bin_.codes == [EXIT_CODE]

        config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"no_such_key": 1}))
        page.get_by_role("button", name="Restart the bin").click()
        page.get_by_role("button", name="Yes").click()
        expect(said).to_contain_text("Not restarted")
        expect(said).to_contain_text("no_such_key")
        assert bin_.codes == [EXIT_CODE], "it would not have come back"


@pytest.mark.browser
def test_a_bin_that_was_started_by_hand_says_that_nothing_would_start_it_again(
    page: Page, url: str, config: Path
) -> None:
    with RunningDaemon(config) as daemon:
        opened(page, url)
        expect(page.locator("#setup-by-hand")).to_contain_text("nothing would start it again")
        expect(page.get_by_role("button", name="Restart the bin")).to_have_count(0)
        refused = page.evaluate("fetch('setup/restart', {method: 'POST'}).then((answer) => answer.json())")
        assert not refused["done"] and "started by hand" in refused["html"]
        asked = edge("ctl", "restart", "--config", config)
        assert asked.returncode == 9 and "nothing would start it again" in asked.stderr
        assert daemon.process.poll() is None
