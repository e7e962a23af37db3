"""How much of a request's body is taken: no more than the page itself sends, whatever the sender announces."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOAD_LIMIT_BYTES = 64 << 20
ARCHIVE = "/model/archive/"
"""Paths under it take a model, which is passed on as it comes; the bin itself says how large it may be."""
ARCHIVE_LIMIT_BYTES = 1 << 32
BODY_LIMIT_BYTES = 1 << 20
"""Of everything but an upload."""


class Limited:
    """One request to `app`, cut off where its body is too long."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._left = self._limit = limit_bytes
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, or answer 413."""

        async def take() -> Message:
            message = await receive()
            self._left -= len(message.get("body", b""))
            return {"type": "http.disconnect"} if self._left < 0 else message

        async def give(message: Message) -> None:
            if self._left >= 0:  # of an answer to half a body nobody wants anything
                self._begun = True
                await send(message)

        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limit:
            await self._refuse(scope, receive, send)
            return
        try:
            await self._app(scope, take, give)
        except Exception:
            if self._left >= 0:
                raise
        if self._left < 0 and not self._begun:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = {"error": f"too large; the most is {self._limit >> 20} MB"}
        await JSONResponse(said, 413, headers={"connection": "close"})(scope, receive, send)


def limit_of(path: str) -> int:
    if path.startswith(ARCHIVE):
        return ARCHIVE_LIMIT_BYTES
    return UPLOAD_LIMIT_BYTES if path.endswith("/upload") else BODY_LIMIT_BYTES
