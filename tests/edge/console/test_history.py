"""The history tab: items with their labels to click, corrections checked, the export."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from edge.captures.capture import Capture
from edge.captures.commands import capture_commands
from edge.captures.messages import CapturesResult
from edge.captures.store import CaptureStore
from edge.clock import ManualClock
from edge.config import load_config
from edge.console.cards import cards_of
from edge.console.history import correct, export, picture_of
from edge.control import CommandError, ControlClient, ControlServer
from edge.domain import Decision, ModelId, Outcome, Reason, Scored, SortEvent
from edge.errors import ControlError
from edge.jpeg import comment_of, jpeg_of
from edge.payloads import event_payload

from .conftest import SIM

CONFIG = load_config(SIM)
LABELS = sorted(CONFIG.sorting.routes)


def a_capture(number: int, label: str = "metal") -> Capture:
    event = SortEvent(
        event_id=UUID(int=number),
        boot_id=UUID(int=1),
        seq=number,
        at=datetime(2026, 1, 1, 12, number, tzinfo=timezone.utc),
        clock_synced=True,
        top3=(Scored(label, 0.6), Scored("glass", 0.3)),
        novelty=-3.0,
        decision=Decision("residual", label, False, Reason.UNCERTAIN, 0.3),
        outcome=Outcome.CONFIRMED,
        engine="onnxruntime-int8",
        model=ModelId("m", "1.0.0", "0" * 64),
        timings_ms={"infer": 24.0},
    )
    return Capture(event=event_payload(event), sampled=False, box=(0, 0, 16, 16))


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """A control socket over a real store with three captures."""
    store = CaptureStore(tmp_path / "captures", budget_bytes=10**8, reserve_mb=0)
    store.open()
    for number in (1, 2, 3):
        store.add(a_capture(number), jpeg_of(np.full((32, 32, 3), 40 * number, np.uint8), 90))
    path = tmp_path / "c.sock"
    with ControlServer(path, capture_commands(store, ManualClock(), enabled=True)):
        yield ControlClient(path)


def said(number: int, label: str | None) -> bytes:
    return json.dumps({"event_id": str(UUID(int=number)), "label": label}).encode()


def test_each_item_is_shown_with_decision_outcome_and_every_label_to_click() -> None:
    found = CapturesResult(captures=[a_capture(7)], total=9, total_mb=1.2, enabled=True)
    shown = cards_of(found, LABELS)
    for text in ("item 7", "Not sure enough that it is metal.", "metal 60%, glass 30%", "infer 24 ms", "9 kept"):
        assert text in shown
    assert shown.count("data-correct=") == len(LABELS) and 'aria-pressed="true"' not in shown


def test_a_bin_that_keeps_nothing_says_so() -> None:
    assert "keeps no captures" in cards_of(CapturesResult(captures=[], total=0, total_mb=0, enabled=False), LABELS)
    assert "Nothing kept is like that" in cards_of(
        CapturesResult(captures=[], total=5, total_mb=0, enabled=True), LABELS
    )


def test_a_correction_is_kept_shown_and_taken_back(client: ControlClient) -> None:
    capture = correct(CONFIG, client, said(2, "glass"), "console")
    assert capture.correction is not None and (capture.correction.label, capture.correction.by) == ("glass", "console")
    shown = cards_of(CapturesResult(captures=[capture], total=1, total_mb=0, enabled=True), LABELS)
    assert 'data-correct="glass" aria-pressed="true"' in shown
    assert correct(CONFIG, client, said(2, None), "console").correction is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"event_id": "x", "label": "glass"}', b'{"label": "glass"}'])
def test_a_correction_that_is_none_is_refused(client: ControlClient, body: bytes) -> None:
    with pytest.raises(ControlError, match="expected event_id and label"):
        correct(CONFIG, client, body, "console")


def test_a_label_that_the_model_does_not_know_and_an_item_that_is_gone_are_refused(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="no such label; there are cardboard"):
        correct(CONFIG, client, said(2, "lidar"), "console")
    with pytest.raises(CommandError):
        correct(CONFIG, client, said(99, "glass"), "console")


def test_the_export_holds_what_was_corrected_a_folder_for_each_label(client: ControlClient) -> None:
    correct(CONFIG, client, said(1, "glass"), "console")
    correct(CONFIG, client, said(3, "paper"), "console")
    file = io.BytesIO()
    assert export(client, file) == 2
    with zipfile.ZipFile(file) as archive:
        names = sorted(archive.namelist())
        assert names == [f"glass/{UUID(int=1)}.jpg", f"paper/{UUID(int=3)}.jpg", "provenance.jsonl"]
        told = [json.loads(line) for line in archive.read("provenance.jsonl").splitlines()]
        assert comment_of(archive.read(names[0])) is not None
    assert {line["file"]: line["correction"]["label"] for line in told} == {names[0]: "glass", names[1]: "paper"}
    assert picture_of(client, UUID(int=2)).startswith(b"\xff\xd8")
