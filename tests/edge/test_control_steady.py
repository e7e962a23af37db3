"""A control socket that cannot be made, or that somebody deletes, stops nothing, and comes back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.control import ControlClient, ControlServer
from edge.control.steady import LOOK_S, RETRY_S, SteadyControl
from edge.errors import ControlError
from edge.faults import Faults


class Controlled:
    """A steady control, its clock and faults."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock()
        self.faults = Faults(self.clock)
        self.control = SteadyControl(
            path, lambda: ControlServer(path, {"hello": lambda _: {"you": "too"}}), self.faults, self.clock
        )

    def after(self, seconds: float) -> list[str]:
        self.clock.advance(seconds)
        self.control.tend()
        return [fault.code for fault in self.faults.standing()]

    def answers(self) -> bool:
        return ControlClient(self.path).request("hello") == {"you": "too"}


@pytest.fixture
def controlled(tmp_path: Path) -> Iterator[Controlled]:
    controlled = Controlled(tmp_path / "run" / "control.sock")
    with ExitStack() as stack:
        stack.callback(controlled.control.__exit__)
        yield controlled


@pytest.mark.parametrize("reason", [errno.EROFS, errno.ENOSPC, errno.EIO])
def test_a_disk_that_takes_no_socket_is_a_fault_until_it_does(
    controlled: Controlled, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    with monkeypatch.context() as failing:
        failing.setattr(Path, "mkdir", refuse)
        controlled.control.__enter__()
        assert controlled.after(0) == ["control_away"]
        assert os.strerror(reason) in controlled.faults.standing()[0].message
        assert controlled.after(RETRY_S) == ["control_away"]
    assert controlled.after(RETRY_S - 1) == ["control_away"]
    assert controlled.after(1) == []
    assert controlled.answers()


def test_a_path_that_can_never_be_a_sockets_and_a_second_daemon_still_end_the_start(controlled: Controlled) -> None:
    controlled.control.__enter__()
    with pytest.raises(ControlError, match="another daemon is running"):
        Controlled(controlled.path).control.__enter__()
    assert controlled.answers()
    (controlled.path.parent / "file").touch()
    with pytest.raises(ControlError, match="expected a socket or nothing"):
        Controlled(controlled.path.parent / "file").control.__enter__()


def test_a_socket_that_somebody_deleted_is_made_again(controlled: Controlled) -> None:
    controlled.control.__enter__()
    assert controlled.answers()
    controlled.path.unlink()
    assert controlled.after(LOOK_S / 2) == [] and not controlled.path.exists()
    assert controlled.after(LOOK_S / 2) == []
    assert controlled.answers()


def test_a_socket_that_cannot_be_made_again_is_a_fault_and_the_bin_goes_on(controlled: Controlled) -> None:
    controlled.control.__enter__()
    aside = controlled.path.parent.rename(controlled.path.parent.with_name("aside"))
    controlled.path.parent.touch()
    assert controlled.after(LOOK_S) == ["control_away"]
    controlled.path.parent.unlink()
    aside.rename(controlled.path.parent)
    assert controlled.after(RETRY_S) == []
    assert controlled.answers()
