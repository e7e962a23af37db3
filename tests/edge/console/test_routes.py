"""What the page asks for besides its tabs: for technicians, and with the daemon's words where something fails."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint
from starlette.testclient import TestClient

from edge.clock import ManualClock
from edge.config import load_config
from edge.config.update import Update
from edge.console.model_routes import PIECE_BYTES
from edge.console.routes import add_routes
from edge.console.watch import Feed
from edge.control import ControlClient, ControlServer, ModelUploadArguments
from edge.update.upload import Upload

from .conftest import SIM, StandIn

ID = UUID(int=1)
WITH_A_BODY = ["/correct", "/setup/write", "/setup/undo", "/setup/broker", "/setup/move"]
FOR_TECHNICIANS = [
    ("POST", "/diagnose"),
    ("POST", "/export"),
    ("GET", f"/captures/{ID}.jpg"),
    ("GET", "/report/config/confusion.png"),
    ("POST", "/model/switch"),
    ("POST", "/model/rollback"),
    ("POST", "/model/archive"),
    ("POST", f"/model/archive/{ID.hex}"),
    ("GET", "/setup/form"),
    ("GET", "/setup/bin.yaml"),
    *(("POST", path) for path in WITH_A_BODY),
]
BODIES = {"/model/switch": {"slot": "a"}, "/model/archive": {"bytes": 9}}


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


@pytest.mark.parametrize(("method", "path"), [each for each in FOR_TECHNICIANS if each[1] not in WITH_A_BODY])
def test_without_a_daemon_a_technician_is_told_so(tmp_path: Path, method: str, path: str) -> None:
    sent = b"x" if path.endswith(ID.hex) else None
    answer = page_of("technician", tmp_path / "none.sock").request(method, path, json=BODIES.get(path), content=sent)
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


@pytest.mark.parametrize(
    "path", ["/captures/x.jpg", "/captures/..%2fx.jpg", "/captures/%2e%2e.jpg", "/report/a/..%2fmanifest.png"]
)
def test_what_is_no_name_of_a_picture_is_not_even_asked_for(tmp_path: Path, path: str) -> None:
    asked: list[dict[str, Any]] = []

    def picture(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        return {"png": "", "jpeg": ""}

    socket = tmp_path / "control.sock"
    with ControlServer(socket, {"capture_picture": picture, "report_picture": picture}):
        assert page_of("technician", socket).get(path).status_code in (404, 422)
    assert asked == []


class Taker:
    """Takes archives as the daemon does, through the same class."""

    def __init__(self, folder: Path) -> None:
        self.upload, self.asked = Upload(folder / "models", Update(max_bytes=10_000_000)), list[dict[str, Any]]()
        self.pieces: list[int] = []

    def model_upload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        piece = ModelUploadArguments.model_validate(arguments)
        self.pieces.append(len(piece.content))
        return self.upload.take(piece).to_dict()

    def update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(arguments)
        return {"installed_version": "1.0.0"}


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Taker]:
    taker = Taker(tmp_path)
    commands = {"model_upload": taker.model_upload, "update": taker.update}
    with ControlServer(tmp_path / "control.sock", commands):
        yield taker


def test_an_archive_goes_to_the_bin_in_pieces_and_is_asked_for_by_its_hash(tmp_path: Path, taker: Taker) -> None:
    archive = bytes(range(256)) * 36_000
    page = page_of("technician", tmp_path / "control.sock")
    upload = page.post("/model/archive", json={"bytes": len(archive)}).json()["upload"]
    path = f"/model/archive/{upload}?force=true&shadow_items=3"
    answer = page.post(path, content=archive)
    assert (answer.status_code, answer.json()) == (200, {"installed_version": "1.0.0"})
    (asked,) = taker.asked
    assert (asked["sha256"], asked["force"], asked["shadow_items"]) == (sha256(archive).hexdigest(), True, 3)
    assert Path(urlsplit(asked["url"]).path).read_bytes() == archive
    assert sum(taker.pieces) == len(archive) and max(taker.pieces) == PIECE_BYTES


def test_an_archive_that_the_bin_does_not_take_is_refused_with_its_reason(tmp_path: Path, taker: Taker) -> None:
    page = page_of("technician", tmp_path / "control.sock")
    answer = page.post("/model/archive", json={"bytes": 2 << 30})
    assert answer.status_code == 409 and "the most is 10000000" in answer.json()["error"]
    assert not taker.asked
