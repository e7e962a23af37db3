"""The gate: the one way to the page, in front of everything that it serves."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.console.access.body import Limited, limit_of
from edge.console.access.passwords import ROLES, Passwords, Role
from edge.console.access.sessions import Attempts, Sessions
from edge.domain import Clock

COOKIE = "smartbin_session"
OPEN = ("/alive",)
"""Paths that say nothing about the bin."""
FORM_LIMIT_BYTES = 4096

_SAFE = ("GET", "HEAD", "OPTIONS")
_PAGE = (Path(__file__).parent / "login.html").read_text(encoding="utf-8")


class Gate:
    """An ASGI application around another.

    Without `passwords` it is the gate of a page on loopback: everybody is a technician, and requests under another
    host name than `hosts` are refused, so that a web site cannot reach the page through a visitor's browser (DNS
    rebinding). With them nobody comes past without a log-in. In both cases a request that changes something must come
    from the page itself.

    The role stands in `request.state.role` behind the gate. secure: the page is served over HTTPS.
    """

    def __init__(
        self,
        app: ASGIApp,
        bin_id: str,
        clock: Clock,
        *,
        passwords: Passwords | None,
        hosts: frozenset[str] = frozenset(),
        idle_s: float = 900.0,
        secure: bool = False,
    ) -> None:
        self._app = app
        self._bin_id = bin_id
        self._passwords = passwords
        self._hosts = hosts
        self._secure = secure
        self._sessions = Sessions(clock, idle_s)
        self._attempts = Attempts(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, or answer."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = await self._answer(scope, receive)
        if answer is None and scope["type"] == "http":
            await Limited(self._app, limit_of(scope["path"]))(scope, receive, send)
        elif answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        """What the gate itself says; None lets the request pass, with its role."""
        asked = HTTPConnection(scope)
        path, method = scope["path"], scope.get("method", "GET")
        if path in OPEN:
            return None
        if self._passwords is None and _host(asked.headers.get("host", "")) not in self._hosts:
            return JSONResponse({"error": "not a name of this machine"}, 421)
        if (method not in _SAFE or scope["type"] == "websocket") and not _from_the_page(asked):
            return JSONResponse({"error": "not asked by the console's own page"}, 403)
        if self._passwords is None:
            scope.setdefault("state", {})["role"] = "technician"
            return None
        token = asked.cookies.get(COOKIE, "")
        if path == "/login":
            return await self._login(Request(scope, receive), self._passwords)
        role = self._sessions.role_of(token)
        if role is None:
            return self._to_login(asked, method)
        if path == "/logout" and method == "POST":
            self._sessions.end(token)
            return self._with_cookie(RedirectResponse("/login", 303), "")
        if path == "/active" and method == "POST":
            self._sessions.active(token)
        if role == "viewer" and path.endswith("/upload"):
            return JSONResponse({"error": "viewers may look only; log in as a technician"}, 403)
        scope.setdefault("state", {})["role"] = role
        return None

    def _to_login(self, asked: HTTPConnection, method: str) -> Response:
        if method == "GET" and "text/html" in asked.headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return JSONResponse({"error": "log in first"}, 401)

    async def _login(self, request: Request, passwords: Passwords) -> Response:
        if request.method in ("GET", "HEAD"):
            return self._form()
        if request.method != "POST":
            return JSONResponse({"error": "GET or POST"}, 405)
        address = request.client.host if request.client else "unknown"
        wait_s = self._attempts.wait_s(address)
        if wait_s > 0:
            said = f"Too many wrong passwords. Try again in {wait_s:.0f} s."
            return self._form(said, 429, {"retry-after": f"{wait_s:.0f}"})
        if int(request.headers.get("content-length") or FORM_LIMIT_BYTES + 1) > FORM_LIMIT_BYTES:
            return self._form("That is no log-in form.", 413)
        role, password = _form_fields(await request.body())
        if await run_in_threadpool(passwords.right, role, password):
            self._attempts.right(address)
            known: Role = next(each for each in ROLES if each == role)
            return self._with_cookie(RedirectResponse("/", 303), self._sessions.begin(known))
        self._attempts.wrong(address)
        return self._form("Wrong password.", 401)

    def _form(self, said: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Response:
        note = f'<p class="bad" role="alert">{escape(said)}</p>' if said else ""
        page = _PAGE.replace("{bin_id}", escape(self._bin_id)).replace("{note}", note)
        fixed = {"cache-control": "no-store", "x-frame-options": "DENY", "referrer-policy": "same-origin"}
        return HTMLResponse(page, status, fixed | (headers or {}))

    def _with_cookie(self, response: Response, token: str) -> Response:
        """An empty token takes the cookie away."""
        response.set_cookie(
            COOKIE, token, max_age=None if token else 0, httponly=True, samesite="strict", secure=self._secure
        )
        return response


def _form_fields(body: bytes) -> tuple[str, str]:
    """Role and password of a log-in form; empty where there are none."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=4)
    except ValueError:  # not UTF-8, or too many fields
        return "", ""
    return fields.get("role", [""])[0], fields.get("password", [""])[0]


def _host(header: str) -> str:
    """The name in a Host or Origin header, without port; empty when there is none."""
    try:
        return urlsplit(header if "//" in header else f"//{header}").hostname or ""
    except ValueError:
        return ""


def _from_the_page(asked: HTTPConnection) -> bool:
    """Browsers say where a request comes from; what is no browser says nothing, and has no cookie to be abused."""
    origin = asked.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == asked.headers.get("host", "")
