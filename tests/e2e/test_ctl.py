"""`python -m edge ctl`: what a person at the bin may ask of the daemon."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from typer.testing import CliRunner

from edge.__main__ import app
from tests.e2e.daemons import RunningDaemon, edge, sim_config


def test_status_tells_phase_faults_counts_and_broker(tmp_path: Path) -> None:
    config = sim_config(tmp_path)
    with RunningDaemon(config) as daemon:
        daemon.wait_for("1 ")
        done = edge("ctl", "status", "--config", config)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["bin_id"] == "demo"
    assert sum(status["counts"].values()) >= 1
    assert status["state"]["mode"] == "auto"
    assert status["state"]["faults"] == []


def test_a_jammed_bin_waits_for_an_acknowledgement_and_says_which(tmp_path: Path) -> None:
    compartments = ["glass", "metal", "paper", "plastic", "residual"]
    config = sim_config(tmp_path, camera={"jam_on": compartments}, verify_timeout_s=1.0)
    with RunningDaemon(config) as daemon:
        assert "JAMMED" in daemon.wait_for("1 ")
        before = json.loads(edge("ctl", "status", "--config", config).stdout)
        assert "jam" in {fault["code"] for fault in before["state"]["faults"]}
        done = edge("ctl", "acknowledge", "--config", config)
        assert (done.returncode, done.stdout.strip()) == (0, "acknowledge: done")
        assert "JAMMED" in daemon.wait_for("2 "), "it homed itself and tried again"


def test_nothing_is_sorted_in_maintenance_and_sorting_goes_on_after_it_and_can_be_recorded(tmp_path: Path) -> None:
    config = sim_config(tmp_path)
    with RunningDaemon(config) as daemon:
        assert edge("ctl", "maintenance-on", "--config", config).returncode == 0
        status = json.loads(edge("ctl", "status", "--config", config).stdout)
        assert status["state"]["mode"] == "maintenance"
        assert edge("ctl", "home", "--config", config).returncode == 9, "the guard refuses, and ctl says so"
        assert edge("ctl", "maintenance-off", "--config", config).returncode == 0
        assert "CONFIRMED" in daemon.wait_for("1 ")
        recorded = edge("ctl", "record", "--config", config)
    assert zipfile.is_zipfile(json.loads(recorded.stdout)["path"]), recorded.stderr


def test_what_is_asked_is_done_by_name_and_written_down(tmp_path: Path) -> None:
    config = sim_config(tmp_path)
    with RunningDaemon(config):

        def typed(*arguments: str, code: int = 0) -> str:
            done = CliRunner().invoke(app, [*arguments, "--config", str(config)])
            assert done.exit_code == code, done.output
            return done.output

        assert json.loads(typed("ctl", "pause")) == {"mode": "paused"}
        assert json.loads(typed("ctl", "arm", "for_s=60")) == {"armed_s": 60.0}
        assert "no compartment 'attic'" in typed("ctl", "jog", "compartment=attic", code=9)
        assert json.loads(typed("ctl", "set-threshold", "min_probability=0.8")) == {"min_probability": 0.8}
        assert json.loads(typed("ctl", "resume")) == {"mode": "auto"}
        rows = json.loads(typed("ctl", "requests"))["requests"]
        assert [row["cmd"] for row in rows] == ["resume", "set_threshold", "jog", "arm", "pause"]
        assert all("process" in row["who"] for row in rows)
        assert "no command 'fly'" in typed("ctl", "fly", code=2)
        assert zipfile.is_zipfile(typed("diagnose").strip())
