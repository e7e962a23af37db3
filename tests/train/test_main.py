from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.train.conftest import command as fit_command
from tests.train.conftest import stage
from train import __main__ as command

runner = CliRunner()


@pytest.mark.parametrize("name", ["fit", "kfold", "ablation"])
def test_help_shows_examples(name: str) -> None:
    shown = runner.invoke(command.app, [name, "--help"])
    assert shown.exit_code == 0 and f"python -m train {name}" in shown.output


def test_errors_are_one_message_and_their_own_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["train", "fit", "--config", str(tmp_path / "no.yaml")])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 3
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and "no.yaml" in printed and "Traceback" not in printed


def test_fit_runs_from_the_command_line_and_resuming_a_finished_one_is_harmless(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    settings["finetune"]["stages"] = [stage("fc")]
    arguments = fit_command(settings, photo_folder, weights_file, tmp_path / "run")
    first = runner.invoke(command.app, arguments, catch_exceptions=False)
    assert "best: validation 6/6" in first.output
    assert {"best.pt", "phase1.pt", "last.pt", "history.json", "curves.png", "split.json"} == {
        path.name for path in (tmp_path / "run").iterdir()
    }
    before = (tmp_path / "run" / "best.pt").read_bytes()
    again = runner.invoke(command.app, [*arguments, "--resume"], catch_exceptions=False)
    assert "resuming after epoch 1" in again.output and "best: validation 6/6" in again.output
    assert (tmp_path / "run" / "best.pt").read_bytes() == before


def test_set_changes_what_is_fitted(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    arguments = fit_command(settings, photo_folder, weights_file, tmp_path / "run")
    changes = ["--set", "finetune.stages.1.rates={fc: 1.0e-4}", "--set", "finetune.stages.0.epochs=2"]
    runner.invoke(command.app, [*arguments, *changes], catch_exceptions=False)
    rows = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [row["stage"] for row in rows] == [1, 1, 2]
