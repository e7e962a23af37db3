"""Captures over the control socket: listed a page at a time, seen, corrected, deleted."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from edge.captures.capture import Capture, read_capture
from edge.captures.commands import capture_commands
from edge.captures.messages import CapturePicture, CapturesResult, FieldResult, TeachResult
from edge.captures.store import CaptureStore
from edge.clock import ManualClock
from edge.control import CommandError, ControlClient, ControlServer
from tests.captures import JPEG, sample_capture


class Asked:
    """A store with seven captures behind a control socket."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store = CaptureStore(folder / "captures", budget_bytes=10**6, reserve_mb=0)
        self.store.open()
        self.captures = [sample_capture(seq) for seq in range(1, 8)]
        for capture in self.captures:
            self.store.add(capture, JPEG)
        self._path = folder / "control.sock"
        self.server = ControlServer(self._path, capture_commands(self.store, self.clock, enabled=True))

    def ask(self, cmd: str, **arguments: Any) -> dict[str, Any]:
        return ControlClient(self._path).request(cmd, **arguments)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(tmp_path)
    with asked.server:
        yield asked


def test_captures_are_listed_a_page_at_a_time(asked: Asked) -> None:
    first = CapturesResult.model_validate(asked.ask("captures", limit=4))
    rest = CapturesResult.model_validate(asked.ask("captures", limit=4, before_seq=first.captures[-1].event.seq))
    assert first.captures + rest.captures == asked.captures[::-1]
    assert first.total == 7 and first.enabled
    assert first.total_mb == pytest.approx(asked.store.size_bytes / 1e6)
    assert len(asked.ask("captures", sampled=True)["captures"]) == 3
    assert asked.ask("captures", reason="NOVEL")["captures"] == []
    assert asked.ask("captures", p_below=0.5, since="2025-12-31T00:00:00Z")["captures"] == []


def test_a_picture_is_its_file(asked: Asked) -> None:
    wanted = asked.captures[2]
    picture = CapturePicture.model_validate(asked.ask("capture_picture", event_id=str(wanted.event_id)))
    assert picture.capture == wanted
    assert read_capture(base64.b64decode(picture.jpeg)) == wanted


def test_a_correction_says_who_and_when_and_who_did_not_say_is_who_asked(asked: Asked) -> None:
    event_id = str(asked.captures[0].event_id)
    said = Capture.model_validate(asked.ask("capture_correct", event_id=event_id, label="paper", by="kim"))
    assert said.correction is not None
    assert (said.correction.label, said.correction.by, said.correction.at) == ("paper", "kim", asked.clock.utc())
    [listed] = asked.ask("captures", corrected=True)["captures"]
    assert listed["event"]["event_id"] == event_id
    again = Capture.model_validate(asked.ask("capture_correct", event_id=event_id, label="metal"))
    assert again.correction is not None and "process" in again.correction.by
    assert asked.ask("capture_correct", event_id=event_id, label=None)["correction"] is None


def test_what_to_name_next_can_be_passed_over_and_the_bar_counts_what_was_named(asked: Asked) -> None:
    first = TeachResult.model_validate(asked.ask("capture_teach", limit=2))
    assert [item.why for item in first.items] == ["SAMPLED", "SAMPLED"]
    skip = [str(item.capture.event_id) for item in first.items]
    asked.ask("capture_correct", event_id=skip[0], label="paper")
    then = TeachResult.model_validate(asked.ask("capture_teach", limit=2, skip=skip))
    assert {str(item.capture.event_id) for item in then.items}.isdisjoint(skip)
    assert (then.named, then.open) == ({"paper": 1}, {"SAMPLED": 2, "OTHER": 4})
    assert asked.ask("capture_teach", limit=0)["items"] == []


def test_figures_are_of_what_was_named(asked: Asked) -> None:
    asked.ask("capture_correct", event_id=str(asked.captures[0].event_id), label="paper")
    assert FieldResult.model_validate(asked.ask("capture_figures")).named.total == 1
    assert FieldResult.model_validate(asked.ask("capture_figures", version="9.9.9")).named.total == 0


def test_what_is_deleted_is_gone(asked: Asked) -> None:
    event_id = str(asked.captures[0].event_id)
    assert asked.ask("capture_delete", event_id=event_id) == {}
    assert asked.ask("captures")["total"] == 6
    with pytest.raises(CommandError, match=f"no capture of item {event_id}"):
        asked.ask("capture_picture", event_id=event_id)


@pytest.mark.parametrize(
    ("cmd", "arguments", "said"),
    [
        ("captures", {"limit": 0}, "limit"),
        ("captures", {"reason": "MOOD"}, "reason"),
        ("capture_picture", {"event_id": "../../etc/passwd"}, "event_id"),
        ("capture_correct", {"event_id": str(uuid4()), "label": ""}, "label"),
        ("capture_correct", {"event_id": str(uuid4()), "label": "glass"}, "no capture"),
    ],
)
def test_a_bad_question_is_answered_with_what_is_wrong(
    asked: Asked, cmd: str, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        asked.ask(cmd, **arguments)


def test_a_disk_that_fails_is_said_in_the_answer(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", unreadable)
    with pytest.raises(CommandError, match="disk of the captures fails: Input/output error"):
        asked.ask("capture_picture", event_id=str(asked.captures[0].event_id))
