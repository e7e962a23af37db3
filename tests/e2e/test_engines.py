"""Tuning, falling back and trusting, as a person at a terminal meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.e2e.daemons import RunningDaemon, edge, sim_config


def test_tuning_measures_what_is_there_and_the_bin_then_takes_the_fastest(tmp_path: Path) -> None:
    config = sim_config(tmp_path)
    done = edge("tune", "--config", config, "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)
    right = [trial for trial in trials if trial["why"] is None]
    assert {"onnxruntime"} <= {trial["candidate"]["kind"] for trial in right}
    assert [trial["median_ms"] for trial in right] == sorted(trial["median_ms"] for trial in right)
    assert all("tensorrt" in trial["why"] for trial in trials if trial["candidate"]["kind"] == "tensorrt")
    best = right[0]
    checked = edge("check", "--config", config)
    assert checked.returncode == 0, checked.stderr
    assert f"engine  {best['candidate']['kind']}-{best['precision']}\n" in checked.stdout


def test_the_table_of_tuning_shows_ratios_and_says_what_is_missing(tmp_path: Path) -> None:
    done = edge("tune", "--config", sim_config(tmp_path), "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout and "1.00" in done.stdout and "tensorrt" in done.stdout


def test_an_engine_that_is_not_there_is_replaced_and_the_state_says_so(tmp_path: Path) -> None:
    config = sim_config(tmp_path, classify={"engine": "tensorrt"})
    with RunningDaemon(config):
        state = json.loads(edge("ctl", "status", "--config", config).stdout)["state"]
    assert state["engine"] == "onnxruntime-int8"
    (fault,) = [fault for fault in state["faults"] if fault["code"] == "engine_fallback"]
    assert "tensorrt" in fault["message"] and "onnxruntime-int8 sorts instead" in fault["message"]
    assert "python -m edge tune" in fault["remedy"]


def test_an_unsigned_bundle_is_refused_unless_the_config_says_so_in_words(tmp_path: Path, bundle_path: Path) -> None:
    own = Path(shutil.copytree(bundle_path, tmp_path / "own"))
    (own / "manifest.sig").unlink()
    refused = edge("check", "--config", sim_config(tmp_path, classify={"bundle": str(own)}))
    assert refused.returncode == 4
    assert "manifest.sig: missing, nobody vouches for this bundle" in refused.stderr
    accepting = sim_config(tmp_path, classify={"bundle": str(own), "unsigned": "accept"})
    accepted = edge("check", "--config", accepting)
    assert accepted.returncode == 0, accepted.stderr
    assert "unsigned, which the config accepts" in accepted.stdout
    with RunningDaemon(accepting):
        state = json.loads(edge("ctl", "status", "--config", accepting).stdout)["state"]
    assert [fault["code"] for fault in state["faults"]] == ["model_unsigned"]


def test_a_bundle_changed_after_signing_is_refused_whatever_the_config_says(tmp_path: Path, bundle_path: Path) -> None:
    changed = Path(shutil.copytree(bundle_path, tmp_path / "changed"))
    manifest = changed / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "', '"version": "9'))
    done = edge("run", "--config", sim_config(tmp_path, classify={"bundle": str(changed), "unsigned": "accept"}))
    assert done.returncode == 4
    assert "it was changed afterwards" in done.stderr and "Traceback" not in done.stderr
