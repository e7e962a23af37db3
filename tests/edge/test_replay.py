"""`python -m edge replay`: what a bin recorded is decided the same elsewhere, or the difference is shown."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from edge.__main__ import app
from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import load_config
from edge.domain import Outcome, SortEvent
from edge.recording import read_recording
from edge.recording.file import DOCUMENT, encode_picture
from tests.brokers import free_port

SIM = Path(__file__).parents[2] / "configs/edge/sim.yaml"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SortEvent]]:
    """Three items of the simulated bin, the last of which jammed: that wrote the file."""
    plain = load_config(SIM)
    mqtt = plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()})
    config = plain.model_copy(update={"state_dir": tmp_path_factory.mktemp("state"), "mqtt": mqtt})
    events: list[SortEvent] = []
    jam_on: list[str] = config.camera.jam_on  # type: ignore[union-attr]
    with open_daemon(config, ManualClock()) as daemon:
        daemon.run(max_items=2, on_event=events.append)
        jam_on.extend(config.actuator.positions)
        daemon.run(max_items=1, on_event=events.append)
    jam_on.clear()
    [path] = (config.state_dir / "recordings").iterdir()
    return path, events


def replay(path: Path, *arguments: str | Path) -> Result:
    os.environ["COLUMNS"] = "160"
    return CliRunner().invoke(app, ["replay", str(path), *map(str, arguments)])


def test_a_jam_leaves_a_file_with_the_items_before_it(recorded: tuple[Path, list[SortEvent]]) -> None:
    path, events = recorded
    assert [event.outcome for event in events] == [Outcome.CONFIRMED, Outcome.CONFIRMED, Outcome.JAMMED]
    with read_recording(path) as recording:
        assert recording.record.why == "fault jam"
        assert "jam" in {fault.code for fault in recording.record.faults}
        assert [item.event.event_id for item in recording.record.items] == [event.event_id for event in events]
        assert recording.record.items[-1].event.actuation.outcome == "JAMMED"


def test_the_same_model_and_policy_decide_the_same_to_the_last_bit(recorded: tuple[Path, list[SortEvent]]) -> None:
    path, events = recorded
    done = replay(path, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert document["same"] is True
    for item, event in zip(document["items"], events, strict=True):
        assert item["event_id"] == str(event.event_id)
        assert item["now"]["compartment"] == event.decision.compartment
        assert item["p_difference"] < 1e-6


def test_another_cost_matrix_shows_what_it_would_have_decided(
    recorded: tuple[Path, list[SortEvent]], tmp_path: Path
) -> None:
    path, events = recorded
    document = yaml.safe_load(SIM.read_text())
    document["sorting"]["costs"] = {"wrong": 1000.0, "residual": 0.0}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(document))
    done = replay(path, "--config", tmp_path / "site.yaml")
    sorted_before = [event for event in events if event.decision.compartment != "residual"]
    assert sorted_before, "the footage has changed: choose items that were sorted"
    assert done.exit_code == 1
    assert f"3 items, {len(sorted_before)} decided otherwise" in done.output
    assert f"{sorted_before[0].decision.compartment} → residual" in done.output
    assert "CONFIDENT → COST" in done.output


def test_another_model_decides_by_its_own_thresholds(
    recorded: tuple[Path, list[SortEvent]], tmp_path: Path, bundle_path: Path
) -> None:
    def all_is_novel(manifest: dict[str, Any]) -> None:
        manifest["version"] = "99.0.0"
        manifest["novelty"]["threshold"] = -9999.0

    done = replay(recorded[0], "--bundle", _other_bundle(bundle_path, tmp_path, all_is_novel))
    assert done.exit_code == 1
    assert "→ NOVEL" in done.output and "replayed with resnet50-trashnet 99.0.0" in done.output


def test_a_changed_picture_is_another_decision(recorded: tuple[Path, list[SortEvent]], tmp_path: Path) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(recorded[0]) as old, zipfile.ZipFile(changed, "w") as new, read_recording(recorded[0]) as read:
        first = read.record.items[0]
        black = dict(zip((look.picture for look in first.looks), map(np.zeros_like, read.pictures(first)), strict=True))
        for name in old.namelist():
            new.writestr(name, encode_picture(black[name]) if name in black else old.read(name))
    done = replay(changed, "--json")
    assert done.exit_code == 1
    document = json.loads(done.output)
    assert [item["same"] for item in document["items"]] == [False, True, True]
    assert document["items"][0]["p_difference"] > 0.01


def test_a_model_with_other_labels_needs_a_config_that_routes_them(
    recorded: tuple[Path, list[SortEvent]], tmp_path: Path
) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(recorded[0]) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == DOCUMENT:  # as if another model had sorted, whose labels this one does not know
                content = content.replace(b'"trash"', b'"rubbish"').replace(b'"version": "0.', b'"version": "9.')
            new.writestr(name, content)
    done = replay(changed)
    assert done.exit_code == 10
    assert "rubbish" in done.output and "--config" in done.output


def test_what_a_stranger_wrote_does_not_steer_the_terminal(
    recorded: tuple[Path, list[SortEvent]], tmp_path: Path
) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(recorded[0]) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b'"fault jam"', rb'"\u001b[2J[/red]"') if name == DOCUMENT else content)
    done = replay(changed)
    assert done.exit_code == 0, done.output
    assert "3 items, 0 decided otherwise" in done.output and "OTHER" not in done.output
    assert "\x1b[2J" not in done.output and "�[2J[/red]" in done.output


def test_a_file_that_is_no_recording_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    (tmp_path / "holiday.zip").write_bytes(b"PK")
    done = replay(tmp_path / "holiday.zip")
    assert done.exit_code == 10
    assert "holiday.zip: not a recording" in done.output


def _other_bundle(bundle_path: Path, folder: Path, change: Any) -> Path:
    other = folder / "bundle"
    shutil.copytree(bundle_path, other, ignore=shutil.ignore_patterns("report", "*.sig"))
    manifest = json.loads((other / "manifest.json").read_text())
    change(manifest)
    (other / "manifest.json").write_text(json.dumps(manifest))
    return other
