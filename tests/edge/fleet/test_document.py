"""docs/scale.md holds what its reports say."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.simulate.fleet.document import DOCUMENT, REPORTS, filled, read_reports, sections

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_figures_in_the_document_are_those_of_the_reports_beside_it() -> None:
    assert filled(TEXT, sections(*read_reports())) == TEXT, "python -m edge.simulate.fleet.document"


def test_no_event_was_lost_in_what_is_documented() -> None:
    for report in read_reports():
        for size in report["sizes"]:
            assert size["delivery"]["lost"] == size["delivery"]["unsent"] == 0
    assert {path.stem for path in REPORTS.glob("*.json")} == {"curve", "restart", "idle"}


def test_a_section_without_a_place_is_told() -> None:
    with pytest.raises(LookupError, match="no place <!-- weather -->"):
        filled(TEXT, {"weather": "fine"})


def test_every_command_in_the_document_is_one_that_may_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("edge.simulate.fleet.command.simulate_bins", lambda *what: asked.append(what) or True)
    commands = re.findall(r"^    python -m edge (simulate --bins .*)$", TEXT, re.MULTILINE)
    assert len(commands) == 6
    for words in commands:
        done = CliRunner().invoke(app, words.replace("--config bin.yaml", "").split())
        assert done.exit_code == 0, done.output
    assert len(asked) == len(commands)
