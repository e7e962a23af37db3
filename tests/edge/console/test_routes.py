"""What the page asks for besides its tabs: for technicians, and with the daemon's words where something fails."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint
from starlette.testclient import TestClient

from edge.clock import ManualClock
from edge.config import load_config
from edge.console.routes import add_routes
from edge.console.watch import Feed
from edge.control import ControlClient

from .conftest import SIM, StandIn

ID = UUID(int=1)
FOR_TECHNICIANS = [
    ("POST", "/diagnose"),
    ("POST", "/export"),
    ("POST", "/correct"),
    ("GET", f"/captures/{ID}.jpg"),
    ("GET", "/report/confusion.png"),
]


def page_of(role: str, socket: Path) -> TestClient:
    """The routes behind a gate that lets everybody in as `role`."""
    app, client = FastAPI(), ControlClient(socket)

    @app.middleware("http")
    async def gate(request: Request, pass_on: RequestResponseEndpoint) -> Response:
        request.state.role = role
        return await pass_on(request)

    add_routes(app, load_config(SIM), client, Feed(client, ManualClock()))
    return TestClient(app)


@pytest.mark.parametrize(("method", "path"), FOR_TECHNICIANS)
def test_a_viewer_gets_nothing_that_is_a_technicians(tmp_path: Path, method: str, path: str) -> None:
    answer = page_of("viewer", tmp_path / "none.sock").request(method, path)
    assert answer.status_code == 403 and "log in as a technician" in answer.text


@pytest.mark.parametrize(("method", "path"), [each for each in FOR_TECHNICIANS if each[1] != "/correct"])
def test_without_a_daemon_a_technician_is_told_so(tmp_path: Path, method: str, path: str) -> None:
    answer = page_of("technician", tmp_path / "none.sock").request(method, path)
    assert answer.status_code == 503 and "The daemon is not running" in answer.json()["error"]


def test_the_newest_picture_comes_with_what_is_seen_on_it_and_once(stand_in: StandIn) -> None:
    stand_in.see(item=True)
    page = page_of("viewer", stand_in.path)
    first = page.get("/tray.jpg")
    assert first.status_code == 200 and first.content.startswith(b"\xff\xd8")
    assert (first.headers["x-seen"], first.headers["x-state"]) == ("An item lies still", "still")
    assert first.headers["x-box"] == "37.11,28.65,64.45,78.12"
    again = page.get("/tray.jpg", params={"known": first.headers["x-seq"]})
    assert (again.status_code, again.content) == (204, b"")


def test_without_a_daemon_there_is_no_picture_to_be_taken_for_a_current_one(tmp_path: Path) -> None:
    assert page_of("viewer", tmp_path / "none.sock").get("/tray.jpg").status_code == 503


@pytest.mark.parametrize("path", ["/captures/../x.jpg", "/captures/x.jpg", "/report/..%2f..%2fmanifest.png"])
def test_only_what_has_a_name_of_its_own_is_served(stand_in: StandIn, path: str) -> None:
    assert page_of("technician", stand_in.path).get(path).status_code in (404, 409, 422)
