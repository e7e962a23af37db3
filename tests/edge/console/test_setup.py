"""The setup tab without a browser: its form, and what it asks of the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from edge.config import load_config
from edge.config.setup import SetMqtt, setup_of
from edge.console.setup.form import form_of, written
from edge.control import Command, CommandError, ControlServer
from edge.setup.messages import SetupResult

from .conftest import SIM
from .test_routes import page_of

CONFIG = load_config(SIM)
LABELS = sorted(CONFIG.sorting.routes)


def result(**changes: Any) -> SetupResult:
    """A bin of which nothing is set up yet."""
    fields: dict[str, Any] = {
        "was": "mark",
        "setup": setup_of(CONFIG),
        "labels": LABELS,
        "promises": [0.02, 0.05],
        "mechanism": "flap",
        "over": [],
        "waits": [],
        "undoable": False,
        "unfit": None,
        "by_hand": None,
    }
    return SetupResult(**fields | changes)


def form(now: SetupResult) -> str:
    return form_of(now, sorted(CONFIG.actuator.positions), CONFIG.sorting)


class Controls(HTMLParser):
    """Every control of a form, and those that nothing names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.named: dict[str, dict[str, str | None]] = {}
        self.nameless: list[str] = []
        self._labels = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "label":
            self._labels += 1
        if tag in ("input", "select"):
            self.named[str(found["name"])] = found
            if not self._labels and "aria-label" not in found:
                self.nameless.append(str(found["name"]))

    def handle_endtag(self, tag: str) -> None:
        self._labels -= tag == "label"


def test_the_form_shows_what_is_set_up_and_every_control_has_a_name() -> None:
    controls = Controls(form(result()))
    assert not controls.nameless
    assert [controls.named[f"region.{corner}"]["value"] for corner in ("left", "top", "right", "bottom")] == [
        "0", "0", "100", "100",
    ]  # fmt: skip
    assert {name for name in controls.named if name.startswith("route.")} == {f"route.{label}" for label in LABELS}
    assert controls.named["into.glass"]["value"] == "1.5"
    assert controls.named["port"]["value"] == "1883"
    assert "checked" in controls.named["embedded_broker"]


def test_what_waits_for_a_start_and_what_does_not_fit_is_said_on_the_form() -> None:
    text = form(result(waits=["mqtt"], over=["presence"], unfit="setup.yaml is not used: <b>", undoable=True))
    assert "Waits for the next start: the broker" in text
    assert "before the config file: where the tray is" in text
    assert "setup.yaml is not used: &lt;b&gt;" in text
    assert 'data-setup="undo">' in text
    assert 'data-setup="undo" disabled' in form(result())


def test_names_that_a_person_typed_are_text_and_never_markup() -> None:
    nasty = setup_of(CONFIG).model_copy(update={"mqtt": SetMqtt(host='"><script>', port=1)})
    assert "<script>" not in form(result(setup=nasty))


def test_gates_are_shown_and_stay_with_the_config_file() -> None:
    text = form(result(setup=setup_of(CONFIG).model_copy(update={"actuator": None}), mechanism="gates"))
    assert "Each has a gate on pins of its own" in text
    assert "position.name" not in text
    assert "Try glass" in text


def test_what_holds_now_is_told_from_what_waits() -> None:
    told = written(["presence", "sorting"], ["presence"])
    assert "from the next item on: what goes where." in told
    assert "after the next start: where the tray is. Restart the bin:" in told
    assert "Nothing has changed" in written([], [])


class SetUpBin:
    """A daemon that takes down what is asked, and refuses when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal: str | None = None

    def commands(self) -> dict[str, Command]:
        answers: dict[str, dict[str, Any]] = {
            "setup": result().to_dict(),
            "config_text": {"yaml": "# a comment\nbin_id: demo\n"},
            "set_up": {"changed": ["sorting"], "waits": []},
            "undo_setup": {"changed": ["sorting"], "waits": []},
            "test_broker": {"said": "b:1883 accepts this bin"},
            **{cmd: {} for cmd in ("pause", "arm", "jog", "resume", "restart")},
        }
        return {cmd: self._taking(cmd, answer) for cmd, answer in answers.items()}

    def _taking(self, cmd: str, answer: dict[str, Any]) -> Command:
        def command(arguments: dict[str, Any]) -> dict[str, Any]:
            self.asked.append((cmd, arguments))
            if self.refusal is not None:
                raise CommandError(self.refusal)
            return answer

        return command


@pytest.fixture
def bin_(tmp_path: Path) -> Iterator[SetUpBin]:
    made = SetUpBin()
    with ControlServer(tmp_path / "c.sock", made.commands()):
        yield made


@pytest.fixture
def page(bin_: SetUpBin, tmp_path: Path) -> TestClient:
    return page_of("technician", tmp_path / "c.sock")


def test_the_form_and_the_config_are_fetched_fresh(page: TestClient) -> None:
    shown = page.get("/setup/form")
    assert shown.headers["cache-control"] == "no-store"
    assert 'data-was="mark"' in shown.text
    config = page.get("/setup/bin.yaml")
    assert config.headers["content-disposition"] == 'attachment; filename="demo.yaml"'
    assert config.text.startswith("# a comment")


def test_what_is_written_reaches_the_daemon_as_it_was_sent(page: TestClient, bin_: SetUpBin) -> None:
    answer = page.post("/setup/write", json={"was": "mark", "setup": {"presence": None}, "cmd": "jog"}).json()
    assert answer["done"]
    assert "from the next item on: what goes where" in answer["html"]
    assert page.post("/setup/undo", json={"was": "mark"}).json()["done"]
    assert page.post("/setup/broker", json={"mqtt": {"host": "b"}}).json()["done"]
    assert bin_.asked == [
        ("set_up", {"was": "mark", "setup": {"presence": None}}),
        ("undo_setup", {"was": "mark"}),
        ("test_broker", {"mqtt": {"host": "b"}}),
    ]


def test_a_compartment_is_tried_by_the_same_commands_as_on_the_hardware_tab(page: TestClient, bin_: SetUpBin) -> None:
    for body in ({"what": "arm"}, {"what": "jog", "compartment": "glass"}, {"what": "resume"}):
        assert page.post("/setup/move", json=body).json()["done"]
    assert bin_.asked == [("pause", {}), ("arm", {"for_s": 60.0}), ("jog", {"compartment": "glass"}), ("resume", {})]
    assert not page.post("/setup/move", json={"what": "home"}).json()["done"]


@pytest.mark.parametrize("path", ["/setup/write", "/setup/undo", "/setup/broker", "/setup/move", "/setup/restart"])
def test_a_refusal_is_shown_in_the_daemons_words_as_text(page: TestClient, bin_: SetUpBin, path: str) -> None:
    bin_.refusal = "the lid is open <b>"
    answer = page.post(path, json={"what": "jog"}).json()
    assert not answer["done"]
    assert "The lid is open &lt;b&gt;." in answer["html"]


def test_a_technician_restarts_a_service_and_a_viewer_nothing(page: TestClient, bin_: SetUpBin, tmp_path: Path) -> None:
    viewer = page_of("viewer", tmp_path / "c.sock")
    assert viewer.post("/setup/restart").status_code == 403
    assert bin_.asked == []
    assert page.post("/setup/restart").json()["done"]
    assert bin_.asked == [("restart", {})]
    assert 'data-setup="restart"' in form(result())
    by_hand = form(result(by_hand="started by hand <b>"))
    assert 'data-setup="restart"' not in by_hand and "Started by hand &lt;b&gt;." in by_hand


def test_what_is_no_request_is_refused_before_the_daemon_is_asked(page: TestClient, bin_: SetUpBin) -> None:
    assert page.post("/setup/write", content=b"[1]", headers={"content-type": "application/json"}).status_code == 422
    assert bin_.asked == []
