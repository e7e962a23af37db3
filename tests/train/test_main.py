from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from train import __main__ as command

runner = CliRunner()


def test_help_shows_examples() -> None:
    for name in ("fit", "evaluate"):
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
    settings["finetune"]["epochs"] = 1
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(settings))
    arguments = ["fit", "--config", str(tmp_path / "fit.yaml"), "--data", str(photo_folder),
                 "--weights", str(weights_file), "--out", str(tmp_path / "run")]  # fmt: skip
    first = runner.invoke(command.app, arguments, catch_exceptions=False)
    assert "best: validation 6/6" in first.output
    assert {"best.pt", "phase1.pt", "last.pt", "history.json", "curves.png", "split.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    again = runner.invoke(command.app, [*arguments, "--resume"], catch_exceptions=False)
    assert "resuming after epoch 1" in again.output and "best: validation 6/6" in again.output
