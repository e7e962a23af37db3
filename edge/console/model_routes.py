"""What the model tab asks for besides the tab itself: pictures of reports, a switch, a roll-back, an upload."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from edge.console.access.body import ARCHIVE
from edge.control import ControlClient, ModelUploadResult, ReportPicture
from edge.errors import CommandError, ControlError

PIECE_BYTES = 4 << 20
"""Of an archive, on its way to the daemon: so much of it is in memory, whatever it has in all."""


class Switch(BaseModel):
    """What the daemon's `switch_model` takes."""

    slot: Literal["config", "a", "b"]
    shadow_items: int | None = None


class Begin(BaseModel):
    """What is going to be uploaded."""

    bytes: int = Field(gt=0)


def add_model_routes(app: FastAPI, client: ControlClient, trusted: Sequence[Any]) -> None:
    """trusted: what lets technicians pass."""

    @app.get("/report/{slot}/{name}.png", dependencies=trusted)
    def report(slot: str, name: str) -> Response:
        png = report_png(client, slot, name)
        return Response(png, media_type="image/png", headers={"cache-control": "no-store"})

    @app.post("/model/switch", dependencies=trusted)
    def switch(asked: Switch) -> dict[str, Any]:
        return client.request("switch_model", **asked.model_dump())

    @app.post("/model/rollback", dependencies=trusted)
    def rollback() -> dict[str, Any]:
        return client.request("rollback")

    @app.post("/model/archive", dependencies=trusted)
    def begin(asked: Begin) -> dict[str, str]:
        """Before anything is sent: what the bin would refuse is refused here, where the browser hears of it."""
        upload = uuid4().hex
        client.request("model_upload", upload=upload, total=asked.bytes, offset=0, content="")
        return {"upload": upload}

    @app.post(f"{ARCHIVE}{{upload}}", dependencies=trusted)
    async def archive(
        request: Request, upload: str, force: bool = False, shadow_items: int | None = None
    ) -> dict[str, Any]:
        total = int(request.headers.get("content-length", "0"))
        try:
            url, sha256 = await passed_on(client, upload, total, request.stream())
        except ClientDisconnect:
            raise ControlError("the upload was cut off; upload the archive again") from None
        asked = {"url": url, "sha256": sha256, "force": force, "shadow_items": shadow_items}
        return await run_in_threadpool(lambda: client.request("update", **asked))


async def passed_on(client: ControlClient, upload: str, total: int, chunks: AsyncIterator[bytes]) -> tuple[str, str]:
    """Give an archive to the daemon, piece by piece; its address there, and its sha256.

    Raises:
        ControlError, CommandError: it did not take all of it.
    """
    digest, held, offset = hashlib.sha256(), bytearray(), 0
    url: str | None = None

    async def give() -> None:
        nonlocal url, offset
        piece = bytes(held[:PIECE_BYTES])
        content = base64.b64encode(piece).decode("ascii")
        answer = await run_in_threadpool(
            lambda: client.request("model_upload", upload=upload, total=total, offset=offset, content=content)
        )
        offset += len(piece)
        del held[: len(piece)]
        try:
            url = ModelUploadResult.model_validate(answer).url
        except ValidationError:
            raise ControlError("the daemon is of another version; restart the console") from None

    async for chunk in chunks:
        digest.update(chunk)
        held += chunk
        while len(held) >= PIECE_BYTES:
            await give()
    if held:
        await give()
    if url is None:
        raise CommandError(f"{offset} of {total} bytes came; upload the archive again")
    return url, digest.hexdigest()


def report_png(client: ControlClient, slot: str, name: str) -> bytes:
    """A picture of a bundle's report.

    Raises:
        ControlError, CommandError: there is none.
    """
    try:
        answer = client.request("report_picture", slot=slot, name=name)
        return base64.b64decode(ReportPicture.model_validate(answer).png)
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None
