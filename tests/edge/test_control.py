"""The control socket: who may use it, what it answers, and that nothing a client sends takes it down."""

from __future__ import annotations

import base64
import grp
import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pytest

from edge.clock import ManualClock
from edge.control import (
    CLIENTS_AT_ONCE,
    LINE_LIMIT_BYTES,
    PHOTOGRAPH_LIMIT_BYTES,
    ClassifyArguments,
    CommandError,
    ControlClient,
    ControlServer,
    MaintenanceArguments,
    PictureArguments,
    PictureResult,
    ViewResult,
    picture_response,
    view_response,
)
from edge.domain import (
    Box,
    Decision,
    Frame,
    ModelId,
    Observation,
    Outcome,
    Reason,
    Scored,
    SortEvent,
    TrayState,
)
from edge.errors import ControlError, MotionRefused
from edge.live import LastItem, Live


def echo(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments


def refuse(arguments: dict[str, Any]) -> dict[str, Any]:
    raise MotionRefused("the lid is open; close it")


def break_down(arguments: dict[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError("by zero")


def maintenance(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"was": MaintenanceArguments.model_validate(arguments).on}


COMMANDS = {"echo": echo, "home": refuse, "broken": break_down, "maintenance": maintenance}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def server(path: Path) -> Iterator[ControlServer]:
    with ControlServer(path, COMMANDS) as server:
        yield server


@pytest.fixture
def client(server: ControlServer, path: Path) -> ControlClient:
    return ControlClient(path, timeout_s=10)


def raw(path: Path, *lines: bytes) -> list[dict[str, Any]]:
    """Send the lines as they are on one connection; one answer each."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        with connection.makefile("rb") as answers:
            found = []
            for line in lines:
                connection.sendall(line)
                found.append(json.loads(answers.readline()))
            return found


def test_a_request_comes_back_with_its_result(client: ControlClient) -> None:
    assert client.request("echo", name="größe", on=True) == {"name": "größe", "on": True}


def test_an_answer_carries_the_id_of_its_request(server: ControlServer, path: Path) -> None:
    first, second = raw(path, b'{"id": "a", "cmd": "echo"}\n', b'{"id": 2, "cmd": "echo", "x": 1}\n')
    assert first == {"id": "a", "ok": True, "result": {}}
    assert second == {"id": 2, "ok": True, "result": {"x": 1}}


def test_only_its_owner_may_use_the_socket(server: ControlServer, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_socket_is_closed_to_others_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        with ControlServer(path, COMMANDS):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"\n", "not a line of JSON"),
        (b"status\n", "not a line of JSON"),
        (b'{"cmd": "echo"\n', "not a line of JSON"),
        (b"\xff\xfe\n", "not a line of JSON"),
        (b"[" * 100_000 + b"\n", "not a line of JSON"),
        (b"[1, 2]\n", "expected a JSON object, found list"),
        (b"{}\n", "unknown cmd None; there are broken, echo, home, maintenance"),
        (b'{"id": "1", "cmd": "format"}\n', "unknown cmd 'format'; there are broken, echo, home, maintenance"),
        (b'{"cmd": ["echo"]}\n', "unknown cmd ['echo']"),
    ],
)
def test_a_malformed_line_is_answered_and_the_connection_lives(
    server: ControlServer, path: Path, line: bytes, says: str
) -> None:
    answer, next_answer = raw(path, line, b'{"id": "2", "cmd": "echo"}\n')
    assert answer["ok"] is False
    assert says in answer["error"]
    assert next_answer["ok"] is True


def test_an_oversized_line_is_answered_and_the_connection_lives(server: ControlServer, path: Path) -> None:
    oversized = b'{"id": "1", "cmd": "echo", "x": "' + b"x" * LINE_LIMIT_BYTES + b'"}\n'
    answer, next_answer = raw(path, oversized, b'{"id": "2", "cmd": "echo"}\n')
    assert answer == {"id": None, "ok": False, "error": f"the request is longer than {LINE_LIMIT_BYTES} bytes"}
    assert next_answer["ok"] is True


def test_a_request_too_long_to_send_is_refused_by_the_client(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="the most is 16777216"):
        client.request("echo", x="x" * LINE_LIMIT_BYTES)


def test_the_largest_photograph_fits_a_line(client: ControlClient) -> None:
    image = base64.b64encode(bytes(PHOTOGRAPH_LIMIT_BYTES)).decode()
    result = client.request("echo", name="n" * 255, image=image)
    assert len(ClassifyArguments.model_validate(result).image) == PHOTOGRAPH_LIMIT_BYTES


def test_what_a_command_refuses_is_told_in_its_own_words(client: ControlClient) -> None:
    with pytest.raises(CommandError, match=r"^the lid is open; close it$"):
        client.request("home")


def test_wrong_arguments_are_told_by_name(client: ControlClient) -> None:
    with pytest.raises(CommandError, match="maintenance: on: Field required; off: Extra inputs are not permitted"):
        client.request("maintenance", off=True)


def test_a_bug_in_one_command_leaves_the_others(client: ControlClient, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(CommandError, match="broken: a bug in the daemon, ZeroDivisionError: by zero"):
        client.request("broken")
    assert "the control command broken failed" in caplog.text
    assert client.request("echo") == {}


def test_a_result_that_is_not_json_is_a_bug_that_is_told(path: Path) -> None:
    with (
        ControlServer(path, {"odd": lambda _: {"x": {1, 2}}}),
        pytest.raises(CommandError, match="odd: a bug in the daemon, TypeError"),
    ):
        ControlClient(path, timeout_s=10).request("odd")


def test_one_client_waits_while_another_is_served(path: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(_: dict[str, Any]) -> dict[str, Any]:
        entered.set()
        assert release.wait(10)
        return {"slow": True}

    with ControlServer(path, {"slow": slow, "echo": echo}):
        answers: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: answers.append(ControlClient(path, timeout_s=10).request("slow")))
        thread.start()
        assert entered.wait(10)
        assert ControlClient(path, timeout_s=10).request("echo", x=1) == {"x": 1}
        release.set()
        thread.join(10)
    assert answers == [{"slow": True}]


def test_a_refusal_is_heard_even_when_it_came_before_the_request(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung_up = threading.Event()

    class Slow(socket.socket):
        """A client that the daemon has refused before it says a word."""

        def connect(self, address: Any) -> None:
            super().connect(address)
            assert hung_up.wait(10)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def refuse() -> None:
            connection, _ = listener.accept()
            connection.sendall(b'{"id": null, "ok": false, "error": "too many"}\n')
            connection.close()
            hung_up.set()

        refusing = threading.Thread(target=refuse)
        refusing.start()
        with monkeypatch.context() as patch:
            patch.setattr("edge.control.client.socket.socket", Slow)
            with pytest.raises(CommandError, match="too many"):
                ControlClient(path, timeout_s=10).request("echo")
        refusing.join()


def test_a_client_too_many_is_told_so(server: ControlServer, path: Path) -> None:
    connections = []
    try:
        for _ in range(CLIENTS_AT_ONCE):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(10)
            connections.append(connection)
            connection.connect(str(path))
            connection.sendall(b'{"cmd": "echo"}\n')
            assert connection.recv(1000)
        with pytest.raises(CommandError, match="16 clients are connected already"):
            ControlClient(path, timeout_s=10).request("echo")
    finally:
        for connection in connections:
            connection.close()


def test_a_client_that_leaves_in_the_middle_of_a_line_harms_nobody(client: ControlClient, path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.sendall(b'{"cmd": "ec')
    assert client.request("echo") == {}


def test_the_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    with ControlServer(path, COMMANDS):
        assert ControlClient(path, timeout_s=10).request("echo") == {}


def test_a_second_daemon_is_refused_and_the_first_goes_on(client: ControlClient, path: Path) -> None:
    with (
        pytest.raises(ControlError, match=rf"another daemon is running \(process {os.getpid()} holds"),
        ControlServer(path, COMMANDS),
    ):
        pass
    assert client.request("echo") == {}


def test_a_file_in_the_sockets_place_is_left_alone(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(ControlError, match="expected a socket or nothing, found a file"), ControlServer(path, COMMANDS):
        pass
    assert path.read_text() == "mine"


def test_a_path_too_long_for_a_socket_is_refused_by_both_sides(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120) / "control.sock"
    with pytest.raises(ControlError, match="at most 107; choose a shorter state_dir"), ControlServer(path, COMMANDS):
        pass
    with pytest.raises(ControlError, match="at most 107; choose a shorter state_dir"):
        ControlClient(path, timeout_s=1).request("echo")


def test_a_missing_daemon_is_named_with_what_to_do(path: Path) -> None:
    with pytest.raises(
        ControlError, match=r"the daemon is not running \(no .*control\.sock\); start it with python -m"
    ):
        ControlClient(path, timeout_s=1).request("status")


def test_a_dead_daemon_is_a_missing_daemon(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(ControlError, match="the daemon is not running"):
        ControlClient(path, timeout_s=1).request("status")


def test_a_daemon_that_hangs_is_told_from_one_that_is_gone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging:
        hanging.bind(str(path))
        hanging.listen(1)
        with pytest.raises(ControlError, match=r"gave no answer to status within 0\.05 s"):
            ControlClient(path, timeout_s=0.05).request("status")


def test_nothing_is_left_behind_but_the_lock_and_the_end_may_come_twice(path: Path) -> None:
    server = ControlServer(path, COMMANDS)
    with server:
        ControlClient(path, timeout_s=10).request("echo")
    server.__exit__()
    assert [file.name for file in path.parent.iterdir()] == ["control.sock.lock"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("control")]
    with server:
        assert ControlClient(path, timeout_s=10).request("echo") == {}


def test_the_end_does_not_wait_for_silent_clients(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        with ControlServer(path, COMMANDS):
            silent.settimeout(10)
            silent.connect(str(path))
            silent.sendall(b'{"cmd": "echo"}\n')
            assert silent.recv(1000)
        assert silent.recv(1000) == b""


# --- view


def an_item(frame: Frame, box: Box) -> LastItem:
    event = SortEvent(
        event_id=UUID(int=1),
        boot_id=UUID(int=2),
        seq=7,
        at=datetime(2026, 1, 1, tzinfo=timezone.utc),
        clock_synced=True,
        top3=(Scored("glass", 0.9), Scored("metal", 0.1)),
        novelty=-3.0,
        decision=Decision("glass", "glass", True, Reason.CONFIDENT, 0.1),
        outcome=Outcome.CONFIRMED,
        engine="onnxruntime-int8",
        model=ModelId("m", "1", "0" * 64),
    )
    return LastItem(event, box.cut(frame.rgb), box, np.arange(6, dtype=np.float32).reshape(2, 3))


def decoded(encoded: str) -> np.ndarray[Any, Any]:
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[:, :, ::-1])


def test_a_daemon_that_has_just_started_has_an_empty_view() -> None:
    view = ViewResult.model_validate(view_response(Live()))
    picture = PictureResult.model_validate(picture_response(Live(), ManualClock(), PictureArguments()))
    assert view.phase == "starting"
    assert (view.last, view.crop_jpeg, view.evidence) == (None,) * 3
    assert (picture.seq, picture.jpeg, picture.age_ms, picture.observation) == (None,) * 4


def test_a_view_holds_picture_observation_and_newest_item() -> None:
    clock, live = ManualClock(), Live()
    rgb = np.zeros((384, 512, 3), np.uint8)
    rgb[100:200, 50:250] = (200, 30, 20)
    frame, box = Frame(rgb, clock.monotonic_s(), 1), Box(50, 100, 250, 200)
    live.update(
        phase="looking", frame=frame, observation=Observation(TrayState.STILL, 0.1, box), last=an_item(frame, box)
    )
    clock.advance(0.25)
    view = ViewResult.model_validate(json.loads(json.dumps(view_response(live))))
    picture = PictureResult.model_validate(picture_response(live, clock, PictureArguments()))
    assert picture.jpeg is not None and view.crop_jpeg is not None and view.last is not None
    assert decoded(picture.jpeg).shape == (384, 512, 3)
    crop = decoded(view.crop_jpeg)
    assert crop.shape == (100, 200, 3)
    assert np.abs(crop[50, 100].astype(int) - (200, 30, 20)).max() < 12  # red stays red
    assert (picture.seq, picture.age_ms) == (1, 250)
    assert picture.observation is not None
    assert picture.observation.box == pytest.approx((50 / 512, 100 / 384, 250 / 512, 200 / 384))
    assert view.evidence == [[0, 1, 2], [3, 4, 5]]
    assert view.last.decision.compartment == "glass"


def test_a_picture_is_as_small_as_asked_for_and_sent_once() -> None:
    clock, live = ManualClock(), Live()
    live.update(frame=Frame(np.zeros((1080, 2560, 3), np.uint8), 0.0, 7))
    first = PictureResult.model_validate(picture_response(live, clock, PictureArguments(side_px=640)))
    assert first.jpeg is not None
    assert decoded(first.jpeg).shape == (270, 640, 3)
    again = PictureResult.model_validate(picture_response(live, clock, PictureArguments(known=first.seq)))
    assert (again.seq, again.jpeg) == (7, None)


def test_an_item_that_is_known_is_sent_without_its_pixels() -> None:
    live = Live()
    frame, box = Frame(np.zeros((384, 512, 3), np.uint8), 0.0, 1), Box(50, 100, 250, 200)
    live.update(frame=frame, last=an_item(frame, box))
    view = ViewResult.model_validate(view_response(live, UUID(int=1)))
    assert view.last is not None and view.last.event_id == UUID(int=1)
    assert (view.crop_jpeg, view.evidence) == (None, None)
    assert ViewResult.model_validate(view_response(live, UUID(int=9))).crop_jpeg is not None


def test_a_group_that_the_config_names_may_use_the_socket_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, given = grp.getgrgid(os.getegid()), list[tuple[Path, int, int]]()
    other = grp.struct_group((own.gr_name, "", own.gr_gid + 1, []))
    monkeypatch.setattr(grp, "getgrnam", lambda name: other)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append((Path(path), uid, gid)))
    socket = tmp_path / "control.sock"
    with ControlServer(socket, {}, group=own.gr_name):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    assert given == [(socket, -1, own.gr_gid + 1)]


def test_a_group_that_does_not_exist_is_named_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"control.group: no group 'nobody-there' on this system .groupadd"):
        ControlServer(tmp_path / "control.sock", {}, group="nobody-there").__enter__()
    with ControlServer(tmp_path / "control.sock", {}):
        pass  # what was taken before the refusal was given back
