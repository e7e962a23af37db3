"""What the page asks for besides its tabs: pictures, downloads, a correction. All of it behind the gate."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from edge.config import Config
from edge.console import history, words
from edge.console.health import diagnosis
from edge.console.model_routes import add_model_routes
from edge.console.setup.routes import add_setup_routes
from edge.console.watch import Feed
from edge.control import CommandError, ControlClient
from edge.errors import SmartbinError

_FRESH = {"cache-control": "no-store"}


def technician(request: Request) -> None:
    """Raises HTTPException for a viewer."""
    if request.state.role != "technician":
        raise HTTPException(403, "Viewers may look only; log in as a technician.")


def add_routes(app: FastAPI, config: Config, client: ControlClient, feed: Feed) -> None:
    """client: for what may take long."""
    trusted = [Depends(technician)]
    add_setup_routes(app, config, client, trusted)

    @app.exception_handler(SmartbinError)
    def trouble(_: Request, error: SmartbinError) -> Response:
        status = 409 if isinstance(error, CommandError) else 503
        return JSONResponse({"error": words.sentence(error)}, status)

    add_model_routes(app, client, trusted)

    @app.get("/alive")
    def alive() -> dict[str, bool]:
        return {"alive": True}

    @app.post("/active", status_code=204)
    def active() -> None:
        """The gate has taken note."""

    @app.get("/tray.jpg")
    def tray(known: str = "") -> Response:
        return _picture_response(feed, known)

    @app.post("/diagnose", dependencies=trusted)
    def diagnose() -> Response:
        name, content = diagnosis(client)
        return Response(content, media_type="application/zip", headers=_attachment(name))

    @app.get("/captures/{event_id}.jpg", dependencies=trusted)
    def capture(event_id: UUID) -> Response:
        return Response(history.picture_of(client, event_id), media_type="image/jpeg", headers=_FRESH)

    @app.post("/correct", dependencies=trusted)
    def correct(body: Annotated[bytes, Depends(_body)]) -> dict[str, str | None]:
        corrected = history.correct(config, client, body, "console")
        return {"label": corrected.correction.label if corrected.correction else None}

    @app.post("/export", dependencies=trusted)
    def export() -> Response:
        chunks = history.chunks_of(history.exported(client))
        name = f"{config.bin_id}-corrected.zip"
        return StreamingResponse(chunks, media_type="application/zip", headers=_attachment(name))


async def _body(request: Request) -> bytes:
    return await request.body()


def _attachment(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', **_FRESH}


def _picture_response(feed: Feed, known: str) -> Response:
    """The newest picture as a JPEG, and in the headers what is seen on it and how old it is."""
    picture = feed.newest()
    if picture is None:
        return Response(status_code=503, headers={"cache-control": "no-store"})
    headers = {
        "cache-control": "no-store",
        "x-seq": str(picture.seq),
        "x-age-ms": f"{1000 * feed.age_s(picture):.0f}",
    }
    if picture.seen is not None:
        headers["x-state"] = picture.seen.state
        headers["x-seen"] = words.tray(picture.seen.state)
        if picture.seen.box is not None:
            headers["x-box"] = ",".join(f"{100 * share:.2f}" for share in picture.seen.box)
    if str(picture.seq) == known:
        return Response(status_code=204, headers=headers)
    return Response(picture.jpeg, media_type="image/jpeg", headers=headers)
