"""What the setup form asks for. All of it is a technician's; the daemon checks it, and writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Response
from fastapi.params import Depends
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from edge.config import Config
from edge.console import words
from edge.console.page import card, trouble
from edge.console.parts import html
from edge.console.setup.form import form_of, written
from edge.control import CommandError, ControlClient
from edge.errors import ControlError, SmartbinError
from edge.setup.messages import BrokerTestResult, ConfigText, SetUpResult, SetupResult

ARM_S = 60.0
_WAITING = '<div class="placeholder"><p>Asking the bin.</p></div>'

_CONFIRM = (
    '<dialog id="setup-confirm" aria-labelledby="setup-question"><form method="dialog">'
    '<p class="headline" id="setup-question">Restart the bin? It sorts nothing for about half a minute, and what was '
    "typed here and not written is lost.</p>"
    '<p class="actions"><button value="yes">Yes</button> <button value="">Not now</button></p></form></dialog>'
)

Model = TypeVar("Model", bound=BaseModel)


def setup_tab() -> None:
    """The tab; setup.js fetches the form when it is opened, and once more when something was written."""
    html(f'<div id="setup-said" aria-live="polite"></div>{_CONFIRM}', "setup-result")
    html(f'<div id="setup-holder">{_WAITING}</div>', "setup-body")


def add_setup_routes(app: FastAPI, config: Config, client: ControlClient, trusted: Sequence[Depends]) -> None:
    """client: for what may take long."""

    @app.get("/setup/form", dependencies=trusted)
    def form() -> Response:
        now = _answer(SetupResult, client.request("setup"))
        page = form_of(now, list(config.actuator.positions), config.sorting)
        return HTMLResponse(page, headers={"cache-control": "no-store"})

    @app.get("/setup/bin.yaml", dependencies=trusted)
    def whole() -> Response:
        text = _answer(ConfigText, client.request("config_text")).yaml
        headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{config.bin_id}.yaml"'}
        return Response(text, media_type="application/yaml", headers=headers)

    @app.post("/setup/write", dependencies=trusted)
    def write(body: dict[str, Any]) -> dict[str, Any]:
        return _changed("set_up", was=body.get("was"), setup=body.get("setup"))

    @app.post("/setup/undo", dependencies=trusted)
    def undo(body: dict[str, Any]) -> dict[str, Any]:
        return _changed("undo_setup", was=body.get("was"))

    @app.post("/setup/restart", dependencies=trusted)
    def restart() -> dict[str, Any]:
        try:
            client.request("restart")
        except SmartbinError as error:
            return _refused("Not restarted", error)
        return {"done": True, "html": card("busy", "The bin restarts", "As soon as nothing is on its way.")}

    @app.post("/setup/broker", dependencies=trusted)
    def broker(body: dict[str, Any]) -> dict[str, Any]:
        try:
            said = _answer(BrokerTestResult, client.request("test_broker", mqtt=body.get("mqtt"))).said
        except SmartbinError as error:
            return _refused("The broker cannot be used so", error)
        return {"done": True, "html": card("good", "The broker answers", words.sentence(said))}

    @app.post("/setup/move", dependencies=trusted)
    def move(body: dict[str, Any]) -> dict[str, Any]:
        """Through the same commands as the hardware tab: nothing goes round the guard."""
        try:
            return {"done": True, "html": _moved(client, str(body.get("what")), body.get("compartment"))}
        except SmartbinError as error:
            return _refused("Refused", error)

    def _changed(cmd: str, **arguments: Any) -> dict[str, Any]:
        try:
            result = _answer(SetUpResult, client.request(cmd, **arguments))
        except SmartbinError as error:
            return _refused("Not written", error)
        return {"done": True, "html": written(result.changed, result.waits)}


def _moved(client: ControlClient, what: str, compartment: Any) -> str:
    if what == "arm":
        client.request("pause")
        client.request("arm", for_s=ARM_S)
        return card("busy", f"Paused, and armed for {ARM_S:.0f} s", "Keep your hands out.")
    if what == "resume":
        client.request("resume")
        return card("good", "Sorting again", "")
    if what == "jog":
        client.request("jog", compartment=compartment)
        return card("good", f"Moved as for {compartment}", "Was it the right one?")
    raise ControlError("expected arm, jog or resume")


def _refused(headline: str, error: SmartbinError) -> dict[str, Any]:
    asked = isinstance(error, CommandError)
    return {
        "done": False,
        "html": trouble(headline if asked else "The bin's daemon does not answer", words.sentence(error)),
    }


def _answer(model: type[Model], answer: dict[str, Any]) -> Model:
    try:
        return model.model_validate(answer)
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None
