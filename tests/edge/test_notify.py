"""What systemd is told, over a socket as systemd's own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from edge.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address that a service gets, and the socket behind it."""
    name = f"smartbin-{uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify") if request.param == "path" else f"\0{name}")
        listening.settimeout(5)
        yield (str(tmp_path / "notify") if request.param == "path" else f"@{name}"), listening


def test_a_message_is_its_lines(systemd: tuple[str, socket.socket]) -> None:
    address, listening = systemd
    Notifier(address).send("READY=1", "STATUS=wärts")
    assert listening.recv(4096).decode() == "READY=1\nSTATUS=wärts"


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_time_is_taken_when_it_is_meant_for_this_process(
    environment: dict[str, str], watchdog_s: float | None
) -> None:
    assert Notifier.from_environment(environment).watchdog_s == watchdog_s


@pytest.mark.parametrize(
    ("environment", "service"),
    [
        ({"NOTIFY_SOCKET": "/run/systemd/notify", "INVOCATION_ID": "5"}, True),
        ({"NOTIFY_SOCKET": "/run/x", "INVOCATION_ID": "5", "SYSTEMD_EXEC_PID": str(os.getpid())}, True),
        ({"NOTIFY_SOCKET": "/run/x", "INVOCATION_ID": "5", "SYSTEMD_EXEC_PID": "1"}, False),  # started by a service
        ({"NOTIFY_SOCKET": "/run/x", "INVOCATION_ID": "5", "WATCHDOG_PID": "1"}, False),
        ({"NOTIFY_SOCKET": "vsock:2:1", "INVOCATION_ID": "5"}, False),
        ({"INVOCATION_ID": "5"}, False),  # a terminal of a desktop has one
        ({"NOTIFY_SOCKET": "/run/systemd/notify"}, False),
        ({}, False),
    ],
)
def test_a_service_is_told_from_what_somebody_started_by_hand(environment: dict[str, str], service: bool) -> None:
    assert Notifier.from_environment(environment).service is service


def test_outside_systemd_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    Notifier.from_environment({}).send("READY=1")
    assert caplog.text == ""


def test_a_socket_that_is_gone_or_none_at_all_is_logged_and_hinders_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier(str(tmp_path / "gone")).send("READY=1")
    assert "systemd cannot be told READY=1" in caplog.text
    Notifier("vsock:2:1").send("READY=1")
    assert "expected a path or @name" in caplog.text
