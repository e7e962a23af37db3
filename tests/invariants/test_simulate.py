"""`python -m edge simulate`: each fault of the table can be caused, and the bin does what the table says; a soak."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.config import load_config
from edge.fault_table import BY_CODE
from edge.sim.camera_faults import CameraFault
from edge.simulate import causes
from edge.simulate.scenarios import SCENARIOS, Scenario
from edge.simulate.trial import try_fault
from tests.e2e.daemons import edge

SIM = Path(__file__).parents[2] / "configs/edge/sim.yaml"


def test_every_fault_of_the_table_can_be_caused() -> None:
    assert SCENARIOS.keys() == BY_CODE.keys()


@pytest.mark.parametrize("code", SCENARIOS)
def test_a_fault_is_noticed_published_and_over_when_it_is_mended_without_loss_or_forbidden_motion(code: str) -> None:
    result = try_fault(load_config(SIM), code)
    assert result.problems == []
    # Nothing is said to a broker that is not to be trusted, and this one stands until the next start.
    assert result.published == (code != "broker_untrusted")
    assert result.noticed_s is not None


def test_a_fault_that_is_not_noticed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = Scenario(causes.there_already, 1)
    monkeypatch.setitem(SCENARIOS, "jam", harmless)
    assert any("not noticed" in problem for problem in try_fault(load_config(SIM), "jam").problems)


def test_motion_while_a_fault_stands_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Scenario(causes.broker_away, 10, heard=False)
    monkeypatch.setitem(SCENARIOS, "broker_unreachable", wrong)
    result = try_fault(load_config(SIM), "broker_unreachable")
    assert result.forbidden_pulses > 0
    assert "moved while it stood" in result.problems


def test_the_command_prints_a_table_and_writes_a_report(tmp_path: Path) -> None:
    report = tmp_path / "faults.json"
    command = ["simulate", "--faults", "camera_stale", "--report", str(report), "--config", str(SIM)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    [result] = json.loads(report.read_text())
    assert result["code"] == "camera_stale"
    assert result["problems"] == []


def test_a_short_soak_sorts_delivers_and_draws_its_curves(tmp_path: Path) -> None:
    report, plot = tmp_path / "soak.json", tmp_path / "soak.png"
    done = edge("simulate", "--items", "30", "--max-growth", "20", "--report", report, "--plot", plot)
    assert done.returncode == 0, done.stdout + done.stderr
    soak = json.loads(report.read_text())
    assert (soak["items"], soak["undelivered"], soak["missed"]) == (30, 0, [])
    assert [window["items"] for window in soak["windows"]] == [10, 20, 30]
    assert all(window["memory_mib"] > 50 and window["cpu_p99_ms"] > 0 for window in soak["windows"])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_faults_and_items_are_not_for_one_run() -> None:
    for arguments in ([], ["--faults", "jam", "--items", "10"]):
        assert CliRunner().invoke(app, ["simulate", *arguments]).exit_code == 2


def test_the_command_fails_when_a_fault_goes_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCENARIOS, "jam", Scenario(causes.camera(CameraFault.UNPLUG), 1))
    assert CliRunner().invoke(app, ["simulate", "--faults", "jam", "--config", str(SIM)]).exit_code == 1


def test_an_unknown_fault_is_named_with_those_there_are() -> None:
    done = CliRunner().invoke(app, ["simulate", "--faults", "gremlins", "--config", str(SIM)])
    assert done.exit_code == 3
    assert "gremlins" in done.output and "camera_stale" in done.output
