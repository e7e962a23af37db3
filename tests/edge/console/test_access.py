"""Who may open the page, without a browser."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.clock import ManualClock
from edge.config import Console
from edge.console.access import passwords as passwords_module
from edge.console.access.gate import COOKIE, FORM_LIMIT_BYTES, Gate
from edge.console.access.passwords import LONGEST, Passwords
from edge.console.access.sessions import FIRST_WAIT_S, FREE, LONGEST_WAIT_S, MOST_ADDRESSES, Attempts, Sessions
from edge.errors import ConfigError

IDLE_S = 900.0
HTML = {"accept": "text/html"}


# -- passwords ---------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "passwords.json"


def test_passwords_are_made_once_and_only_their_hashes_are_kept(file: Path) -> None:
    passwords = Passwords(file)
    made = passwords.make_missing()
    assert set(made) == {"viewer", "technician"} and passwords.make_missing() == {}
    content = file.read_text()
    assert all(password not in content for password in made.values()) and content.count("$argon2id$") == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert passwords.right("technician", made["technician"])
    assert not passwords.right("technician", made["viewer"])
    assert not passwords.right("viewer", made["technician"])
    assert not passwords.right("nobody", made["viewer"])


def test_a_password_that_is_too_long_costs_no_hashing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []

    class Counting:
        def verify(self, kept: str, password: str) -> bool:
            hashed.append(len(password))
            return False

    passwords = Passwords(file)
    passwords.make_missing()
    monkeypatch.setattr(passwords_module, "_HASHER", Counting())
    assert not passwords.right("technician", "x" * LONGEST)
    assert not passwords.right("technician", "x" * (LONGEST + 1))
    assert hashed == [LONGEST]


def test_a_renewed_password_holds_at_once_and_the_old_one_no_longer(file: Path) -> None:
    running = Passwords(file)
    old = running.make_missing()
    new = Passwords(file).renew("viewer")
    assert running.right("viewer", new) and not running.right("viewer", old["viewer"])
    assert running.right("technician", old["technician"])


@pytest.mark.parametrize("content", ["{", "[]", '{"viewer": 1}', "\x00"])
def test_a_damaged_file_of_passwords_is_named_and_lets_nobody_in(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(ConfigError, match=str(file)):
        Passwords(file).make_missing()
    with pytest.raises(ConfigError, match=str(file)):
        Passwords(file).right("viewer", "x")


def test_a_hash_that_is_none_lets_nobody_in(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"viewer": "secret", "technician": ""}))
    assert not Passwords(file).right("viewer", "secret") and not Passwords(file).right("technician", "")


# -- attempts and sessions ---------------------------------------------------------------------------------------


def test_wrong_passwords_make_an_address_wait_longer_and_longer(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    attempts = Attempts(clock)
    for _ in range(FREE - 1):
        attempts.wrong("10.0.0.7")
    assert attempts.wait_s("10.0.0.7") == 0
    waits = []
    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            attempts.wrong("10.0.0.7")
            waits.append(attempts.wait_s("10.0.0.7"))
            clock.advance(waits[-1])
    assert waits[:3] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S] and waits[-1] == LONGEST_WAIT_S
    assert "wrong passwords for the console from 10.0.0.7" in caplog.text
    assert attempts.wait_s("10.0.0.8") == 0
    attempts.right("10.0.0.7")
    attempts.wrong("10.0.0.7")
    assert attempts.wait_s("10.0.0.7") == 0


def test_addresses_of_one_ipv6_network_are_one() -> None:
    attempts = Attempts(ManualClock())
    for host in range(FREE):
        attempts.wrong(f"2001:db8:1:2::{host:x}")
    assert attempts.wait_s("2001:db8:1:2:ffff::1") == FIRST_WAIT_S
    assert attempts.wait_s("2001:db8:1:3::1") == 0


def test_no_more_addresses_are_remembered_than_fit() -> None:
    attempts = Attempts(ManualClock())
    for number in range(3 * MOST_ADDRESSES):
        attempts.wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(attempts._tries) == MOST_ADDRESSES


def test_a_session_lasts_while_a_person_is_there() -> None:
    clock = ManualClock()
    sessions = Sessions(clock, IDLE_S)
    token = sessions.begin("viewer")
    for _ in range(5):
        clock.advance(IDLE_S - 1)
        assert sessions.role_of(token) == "viewer"
        sessions.active(token)
    clock.advance(IDLE_S + 1)
    assert sessions.role_of(token) is None
    sessions.active(token)  # too late
    assert sessions.role_of(token) is None and sessions.role_of("") is None


# -- the gate ----------------------------------------------------------------------------------------------------


async def _role(request: Request) -> JSONResponse:
    return JSONResponse({"role": request.state.role})


async def _alive(request: Request) -> JSONResponse:
    return JSONResponse({"alive": True})


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


PAGE = Starlette(
    routes=[
        Route("/", _role, methods=["GET", "POST"]),
        Route("/active", _role, methods=["POST"]),
        Route("/gradio_api/upload", _role, methods=["POST"]),
        Route("/alive", _alive),
        WebSocketRoute("/socket", _socket),
    ]
)


class Guarded:
    """A page behind a log-in, a clock, and a browser."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        passwords = Passwords(folder / "passwords.json")
        self.made = passwords.make_missing()
        self.gate = Gate(PAGE, "demo", self.clock, passwords=passwords, idle_s=IDLE_S)
        self.browser = self.another()

    def another(self) -> TestClient:
        return TestClient(self.gate, base_url="http://bin.local", follow_redirects=False)

    def log_in(self, role: str, password: str | None = None) -> int:
        """The answer's status."""
        known = {"viewer": self.made["viewer"], "technician": self.made["technician"]}
        form = {"role": role, "password": known[role] if password is None else password}
        return self.browser.post("/login", data=form).status_code


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


def test_nothing_is_served_before_the_log_in(guarded: Guarded) -> None:
    ask = guarded.browser
    assert ask.get("/alive").json() == {"alive": True}
    page = ask.get("/", headers=HTML)
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert ask.get("/").status_code == 401 and ask.post("/").status_code == 401
    assert ask.get("/", headers={"cookie": f"{COOKIE}=forged"}).status_code == 401
    with pytest.raises(WebSocketDisconnect), ask.websocket_connect("ws://bin.local/socket"):
        pass
    form = ask.get("/login")
    assert form.status_code == 200 and "smartbin <span>demo</span>" in form.text


@pytest.mark.parametrize("role", ["viewer", "technician"])
def test_the_right_password_opens_the_page_in_its_role_and_logging_out_closes_it(guarded: Guarded, role: str) -> None:
    assert guarded.log_in(role) == 303
    assert guarded.browser.get("/").json() == {"role": role}
    with guarded.browser.websocket_connect("ws://bin.local/socket"):
        pass
    assert guarded.another().get("/").status_code == 401
    copied = {"cookie": f"{COOKIE}={guarded.browser.cookies[COOKIE]}"}
    assert guarded.another().get("/", headers=copied).status_code == 200
    assert guarded.browser.post("/logout").headers["location"] == "/login"
    assert guarded.browser.get("/").status_code == 401
    assert guarded.another().get("/", headers=copied).status_code == 401, "whoever has the cookie is out too"


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(guarded: Guarded) -> None:
    form = {"role": "viewer", "password": guarded.made["viewer"]}
    said = guarded.browser.post("/login", data=form).headers["set-cookie"].lower()
    assert "httponly" in said and "samesite=strict" in said and "secure" not in said
    over_tls = Gate(PAGE, "demo", guarded.clock, passwords=guarded.gate._passwords, secure=True)
    with TestClient(over_tls, base_url="https://bin.local", follow_redirects=False) as browser:
        assert "secure" in browser.post("/login", data=form).headers["set-cookie"].lower()


def test_a_viewer_uploads_nothing(guarded: Guarded) -> None:
    guarded.log_in("viewer")
    assert guarded.browser.post("/gradio_api/upload").status_code == 403
    guarded.log_in("technician")
    assert guarded.browser.post("/gradio_api/upload").status_code == 200


def test_a_page_left_alone_logs_out_though_it_goes_on_asking(guarded: Guarded) -> None:
    guarded.log_in("viewer")
    for _ in range(4):
        guarded.clock.advance(IDLE_S / 4)
        assert guarded.browser.get("/").status_code == 200  # the page's own polling
    guarded.clock.advance(1)
    assert guarded.browser.get("/").status_code == 401


def test_a_page_that_somebody_uses_stays_open(guarded: Guarded) -> None:
    guarded.log_in("viewer")
    for _ in range(8):
        guarded.clock.advance(IDLE_S / 2)
        assert guarded.browser.post("/active").status_code == 200


def test_a_thousand_wrong_passwords_lock_the_address_out_and_the_log_says_so(
    guarded: Guarded, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    right = Passwords.right
    monkeypatch.setattr(Passwords, "right", lambda *given: checked.append(given) or right(*given))
    with caplog.at_level(logging.WARNING):
        answers = [guarded.log_in("technician", f"wrong-{number}") for number in range(1000)]
    assert answers == [401] * FREE + [429] * (1000 - FREE)
    assert len(checked) == FREE, "a password that comes too early costs nothing"
    assert "the console from testclient" in caplog.text
    refused = guarded.browser.post("/login", data={"role": "technician", "password": guarded.made["technician"]})
    assert refused.status_code == 429 and refused.headers["retry-after"] == f"{FIRST_WAIT_S:.0f}"
    assert "Try again in 10 s" in refused.text
    guarded.clock.advance(FIRST_WAIT_S)
    assert guarded.log_in("technician") == 303


@pytest.mark.parametrize("sent", [b"", b"role=technician", b"\xff\xfe", b"role=x&password=y&" * 200, b"password=%00"])
def test_a_form_that_is_none_is_an_answer_and_not_a_crash(guarded: Guarded, sent: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert guarded.browser.post("/login", content=sent, headers=headers).status_code == 401
    unannounced = guarded.browser.post("/login", content=iter([sent]), headers=headers)
    assert "content-length" not in unannounced.request.headers and unannounced.status_code == 413


def test_a_form_that_is_too_long_for_one_is_refused_unread(guarded: Guarded) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for length, status in ((FORM_LIMIT_BYTES, 401), (FORM_LIMIT_BYTES + 1, 413)):
        assert guarded.browser.post("/login", content=b"x" * length, headers=headers).status_code == status


def test_another_site_cannot_use_a_log_in(guarded: Guarded) -> None:
    guarded.log_in("technician")
    assert guarded.browser.post("/", headers={"origin": "http://evil.example"}).status_code == 403
    assert guarded.browser.post("/", headers={"origin": "null"}).status_code == 403
    assert guarded.browser.post("/", headers={"origin": "http://bin.local"}).status_code == 200
    with (
        pytest.raises(WebSocketDisconnect),
        guarded.browser.websocket_connect("ws://bin.local/socket", headers={"origin": "http://evil.example"}),
    ):
        pass


def test_on_loopback_everybody_is_a_technician_under_this_machines_names_alone() -> None:
    gate = Gate(PAGE, "demo", ManualClock(), passwords=None, hosts=frozenset({"127.0.0.1", "::1", "localhost"}))
    for name in ("127.0.0.1:7860", "localhost", "[::1]:7860"):
        assert TestClient(gate, base_url=f"http://{name}").get("/").json() == {"role": "technician"}
    rebound = TestClient(gate, base_url="http://evil.example:7860")
    assert rebound.get("/").status_code == 421 and rebound.post("/").status_code == 421
    assert TestClient(gate, base_url="http://localhost").post("/", headers={"origin": "http://x"}).status_code == 403


# -- the config --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "asks"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"login": "always"}, True),
        ({"host": "0.0.0.0"}, True),
        ({"host": "192.168.1.20"}, True),
        ({"host": "::"}, True),
        ({"host": "bin.local"}, True),
    ],
)
def test_any_address_but_loopback_asks_for_a_password(settings: dict[str, str], asks: bool) -> None:
    assert Console.model_validate(settings).asks_for_password is asks


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="cert_file and key_file belong together"):
        Console.model_validate({"cert_file": "bin.pem"})


def test_the_settings_of_the_documentation_are_valid() -> None:
    text = (Path(__file__).parents[3] / "docs" / "console.md").read_text(encoding="utf-8")
    example = text[text.index("    console:\n") :].split("\n\n")[0]
    assert Console.model_validate(yaml.safe_load(example)["console"]).asks_for_password


def test_a_service_keeps_its_passwords_in_the_folder_that_systemd_gives_it(config: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "console", "--config", str(config), "--new-password", "viewer"]
    place = {**os.environ, "STATE_DIRECTORY": str(tmp_path)}
    said = subprocess.run(command, env=place, check=True, capture_output=True, text=True).stdout
    passwords = Passwords(tmp_path / "console-passwords.json")
    assert passwords.right("viewer", said.strip().removeprefix("viewer: "))
    assert passwords.missing() == ("technician",)


def test_a_new_password_is_shown_and_holds(config: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "edge", "console", "--config", str(config), "--new-password", "technician"]
    role, password = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split(": ")
    assert role == "technician" and Passwords(folder / "console-passwords.json").right(role, password)
