"""`python -m edge console`, as a process: how it starts, how it ends, and what it leaves alone."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import Page, expect

from .conftest import StandIn, start_console


@pytest.mark.browser
def test_a_page_that_lost_its_console_says_so_and_comes_back(page: Page, config: Path, stand_in: StandIn) -> None:
    stand_in.decide()
    first = start_console(config)
    try:
        page.goto(url_of(first))
        expect(page.locator("#decision")).to_contain_text("glass")
        expect(page.locator("#console-lost")).to_be_hidden()
        finish(first)
        expect(page.locator("#console-lost")).to_be_visible()
        second = start_console(config)
        try:
            expect(page.locator("#console-lost")).to_be_hidden(timeout=120_000)
            expect(page.locator("#decision")).to_contain_text("glass")
        finally:
            finish(second)
    finally:
        finish(first)


def test_a_taken_port_ends_the_console_with_what_to_do(config: Path, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        process = start_console(config)
        _, complaint = process.communicate(timeout=120)
    assert process.returncode == 3
    assert complaint == f"error: 127.0.0.1:{free_port} is taken; set console.port to a free one\n"


def test_an_unusable_config_ends_the_console_with_what_to_do(tmp_path: Path) -> None:
    process = start_console(tmp_path / "missing.yaml")
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "missing.yaml" in complaint and "Traceback" not in complaint


def test_ctrl_c_ends_the_console_well(config: Path) -> None:
    process = start_console(config)
    url_of(process)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 0


def test_a_console_that_follows_its_parent_ends_with_it(config: Path) -> None:
    command = [sys.executable, "-m", "edge", "console", "--config", str(config), "--with-parent"]
    script = f"import subprocess; p = subprocess.Popen({command!r}, stdout=subprocess.PIPE); p.stdout.readline()"
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    _, complaints = parent.communicate(timeout=120)  # the console holds stderr: this ends when both have ended
    assert (parent.returncode, complaints) == (0, "")


def test_the_console_knows_nothing_of_pins_or_engines() -> None:
    script = (
        "import sys, edge.__main__, edge.console.app, edge.console.process; "
        "print(sorted({'gpiozero', 'onnxruntime', 'torch', 'paho', 'amqtt'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=True)
    assert found.stdout == "[]\n"


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip().removeprefix("console: ")


def finish(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        process.communicate(timeout=120)
