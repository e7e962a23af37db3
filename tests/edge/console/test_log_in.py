"""The log-in as a person meets it: in a browser, and over HTTPS."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.brokers import free_port
from tests.browser import Page, expect, screenshot
from tests.certificates import LOOPBACK, Authority

from .conftest import SIM, StandIn, start_console

TABS = ("Live", "Health", "Try a photo", "Hardware", "History", "Teach", "Model", "Setup")


class Console(NamedTuple):
    """A running console. passwords: by role."""

    url: str
    passwords: dict[str, str]


def started(folder: Path, **settings: Any) -> Iterator[Console]:
    """A console that asks for a password, until the test has ended."""
    document = yaml.safe_load(SIM.read_text())
    document |= {"state_dir": str(folder), "console": {"port": free_port(), "login": "always", **settings}}
    path = folder / "guarded.yaml"
    path.write_text(yaml.safe_dump(document))
    process = start_console(path)
    assert process.stdout is not None
    url = process.stdout.readline().strip().removeprefix("console: ")
    lines = [process.stdout.readline().split() for _ in range(2)]
    yield Console(url, {words[5]: words[7] for words in lines})
    process.terminate()
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in complaints


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    yield from started(tmp_path)


@pytest.fixture
def bin_(tmp_path: Path) -> Iterator[StandIn]:
    stand_in = StandIn(tmp_path / "control.sock")
    stand_in.see(item=False)
    stand_in.start()
    yield stand_in
    stand_in.stop()


def log_in(page: Page, role: str, password: str) -> None:
    page.get_by_label("I am a").select_option(role)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.browser
def test_a_technician_logs_in_works_and_logs_out(page: Page, console: Console, bin_: StandIn) -> None:
    page.goto(console.url)
    log_in(page, "technician", "wrong")
    expect(page.get_by_role("alert")).to_have_text("Wrong password.")
    screenshot(page, "console-log-in")
    log_in(page, "technician", console.passwords["technician"])
    bin_.decide()
    expect(page.locator("#decision")).to_contain_text("Sure enough that it is glass.")
    expect(page.get_by_role("tab", name="Try a photo")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto(console.url)
    expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.browser
def test_a_viewer_sees_the_bin_and_no_more(page: Page, console: Console, bin_: StandIn) -> None:
    page.set_viewport_size({"width": 390, "height": 780})  # a phone
    page.goto(console.url)
    log_in(page, "viewer", console.passwords["viewer"])
    bin_.decide()
    expect(page.locator("#decision")).to_contain_text("Sure enough that it is glass.")
    more = page.get_by_role("button", name="More tabs")
    for width in (390, 1200):
        page.set_viewport_size({"width": width, "height": 780})
        expect(page.get_by_role("tab")).to_have_text(["Live", "Health"])
        expect(more).to_be_hidden()
    page.set_viewport_size({"width": 140, "height": 780})  # a watch, or very large letters
    more.click()
    expect(page.locator(".overflow-dropdown button:visible")).to_have_text(["Health"])
    page.locator(".overflow-dropdown").get_by_role("button", name="Health").click()
    expect(page.locator("#facts")).to_be_visible()
    expect(more).to_be_hidden()


@pytest.mark.browser
def test_a_technician_finds_every_tab_on_a_phone(page: Page, console: Console, bin_: StandIn) -> None:
    page.set_viewport_size({"width": 390, "height": 780})
    page.goto(console.url)
    log_in(page, "technician", console.passwords["technician"])
    page.get_by_role("button", name="More tabs").click()
    shown = page.get_by_role("tab").all_inner_texts()
    assert shown[0] == "Live"
    expect(page.locator(".overflow-dropdown button:visible")).to_have_text(list(TABS[len(shown) :]))
    assert shown == list(TABS[: len(shown)])


def test_over_https_the_page_has_the_certificate_of_the_config(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "site")
    certificate, key = authority.sign("console")
    for console in started(tmp_path, cert_file=str(certificate), key_file=str(key)):
        assert console.url.startswith(f"https://{LOOPBACK}:")
        trusting = ssl.create_default_context(cafile=authority.certificate)
        with urllib.request.urlopen(f"{console.url}/login", context=trusting, timeout=30) as answer:
            assert "Log in" in answer.read().decode()


def test_a_certificate_that_cannot_be_used_ends_the_console_with_what_to_do(tmp_path: Path) -> None:
    note = tmp_path / "note.pem"
    note.write_text("no certificate")
    document = yaml.safe_load(SIM.read_text())
    document |= {
        "state_dir": str(tmp_path),
        "console": {"port": free_port(), "cert_file": str(note), "key_file": str(note)},
    }
    path = tmp_path / "bin.yaml"
    path.write_text(yaml.safe_dump(document))
    process = start_console(path)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 3 and "console.cert_file, key_file" in complaint and "Traceback" not in complaint


def test_a_console_whose_words_go_to_a_log_makes_no_password_of_its_own(tmp_path: Path) -> None:
    document = yaml.safe_load(SIM.read_text())
    document |= {"state_dir": str(tmp_path), "console": {"port": free_port(), "login": "always"}}
    path = tmp_path / "bin.yaml"
    path.write_text(yaml.safe_dump(document))
    reading, writing = os.pipe()
    here = os.fstat(writing)
    place = {**os.environ, "JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino}"}
    command = [sys.executable, "-m", "edge", "console", "--config", str(path)]
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, env=place)
    os.close(writing)
    with os.fdopen(reading) as journal:
        said = [journal.readline() for _ in range(3)]
        process.terminate()
        process.communicate(timeout=60)
    assert said[0].startswith("console: http://")
    assert [line.split()[2] for line in said[1:]] == ["viewer", "technician"]
    assert all("has no password yet; make one with --new-password" in line for line in said[1:])
    assert not (tmp_path / "console-passwords.json").exists()
