"""What `request/<cmd>` may carry: one class a command, from which validation and schema come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from pydantic import ValidationError

from edge.control.words import request_of
from edge.payloads import COMMANDS, json_schemas, request_class
from edge.requests import table

SENT = {"id": "ha-1", "ttl_s": 30, "ts": "2026-11-22T10:15:02.114Z"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "set_mode": {"mode": "paused"},
    "set_threshold": {"min_probability": 0.8},
    "jog": {"compartment": "glass"},
    "emptied": {"compartment": "glass"},
    "update": {"url": "https://models.example.org/b.tar.gz"},
    "switch_model": {"slot": "a"},
}


@pytest.mark.parametrize("cmd", COMMANDS)
def test_what_the_class_takes_the_schema_takes(cmd: str) -> None:
    document = SENT | ARGUMENTS.get(cmd, {})
    request_class(cmd).model_validate_json(json.dumps(document))
    jsonschema.validate(document, json_schemas()[f"request/{cmd}"])


@pytest.mark.parametrize("cmd", COMMANDS)
def test_only_a_command_that_moves_nothing_may_leave_out_when_it_was_sent(cmd: str) -> None:
    document = {name: value for name, value in SENT.items() if name != "ts"} | ARGUMENTS.get(cmd, {})
    if COMMANDS[cmd].trusted:
        with pytest.raises(ValidationError, match="ts"):
            request_class(cmd).model_validate_json(json.dumps(document))
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, json_schemas()[f"request/{cmd}"])
    else:
        request_class(cmd).model_validate_json(json.dumps(document))


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "a b"},
        {"id": 7},
        {"id": "x" * 65},
        {"ttl_s": 0},
        {"ttl_s": 3601},
        {"ttl_s": "30"},
        {"ttl_s": float("nan")},
        {"ts": "2026-11-22T10:15:02"},
        {"ts": "yesterday"},
        {"compartment": ""},
        {"compartment": 3},
        {"more": 1},
    ],
)
def test_what_is_not_in_the_contract_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request_class("jog").model_validate_json(json.dumps(SENT | {"compartment": "glass"} | change))


def test_the_documented_commands_are_those_that_there_are() -> None:
    text = (Path(__file__).parents[3] / "docs/commands.md").read_text(encoding="utf-8")
    assert table.markdown() in text, "paste what `python -m edge.requests.table` prints into docs/commands.md"


def test_what_people_type_becomes_a_request() -> None:
    assert request_of("status", []) == ("status", {})
    assert request_of("maintenance-on", []) == ("set_mode", {"mode": "maintenance"})
    assert request_of("set-threshold", ["min_probability=0.8"]) == ("set_threshold", {"min_probability": 0.8})
    assert request_of("jog", ["compartment=glass"]) == ("jog", {"compartment": "glass"})


@pytest.mark.parametrize(
    ("typed", "said"), [(["fly"], "no command 'fly'; there are acknowledge"), (["jog", "glass"], "NAME=VALUE")]
)
def test_what_is_no_command_is_told_which_there_are(typed: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        request_of(typed[0], typed[1:])
