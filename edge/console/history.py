"""The history tab: what the bin kept, item by item; one click says what an item really is."""

from __future__ import annotations

import base64
import json
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO, Any
from uuid import UUID

import gradio as gr
from pydantic import ValidationError

from edge.captures.capture import Capture
from edge.captures.messages import CapturePicture, CapturesResult
from edge.clock import SystemClock
from edge.config import Config
from edge.console import words
from edge.console.cards import EXPORT, cards_of
from edge.console.field import field_part
from edge.console.filters import Chosen, asked_for, filters
from edge.console.page import trouble
from edge.console.parts import html, may_only_look
from edge.control import ControlClient
from edge.errors import ControlError, SmartbinError

PAGE = 12
EXPORT_PAGE = 100


def history_tab(config: Config, client: ControlClient) -> None:
    """The tab. The corrections themselves are page.js's: a click, and one small request."""
    wanted = filters(config)
    items = html('<div class="placeholder"><p>Press Show.</p></div>', "history-items")
    last = gr.Number(None, visible=False, precision=0)
    with gr.Row():
        newest = gr.Button("Show the newest", elem_id="history-newest")
        older = gr.Button("Older", elem_id="history-older")
    html(EXPORT, "history-export")
    field_part(client)

    def look(request: gr.Request, before_seq: int | None, *chosen: Any) -> list[Any]:
        if may_only_look(request):
            return [trouble("For technicians", "Viewers may look only; log in as a technician."), None]
        try:
            fitting = asked_for(Chosen(*chosen), SystemClock().utc())
            found = _list(client, before_seq=before_seq, limit=PAGE, **fitting)
        except ValueError as error:
            return [trouble("Not a filter", words.sentence(error)), None]
        except SmartbinError as error:
            return [trouble("The history cannot be shown", words.sentence(error)), None]
        return [
            cards_of(found, sorted(config.sorting.routes)),
            found.captures[-1].event.seq if found.captures else None,
        ]

    def from_newest(request: gr.Request, *chosen: Any) -> list[Any]:
        return look(request, None, *chosen)

    quietly: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
    for event in (newest.click, *(each.submit if isinstance(each, gr.Textbox) else each.change for each in wanted)):
        event(from_newest, wanted, [items, last], **quietly)
    older.click(look, [last, *wanted], [items, last], **quietly)


def picture_of(client: ControlClient, event_id: UUID) -> bytes:
    """The capture's file.

    Raises:
        ControlError, CommandError: there is none.
    """
    return base64.b64decode(_picture(client, event_id).jpeg)


def correct(config: Config, client: ControlClient, body: bytes, by: str) -> Capture:
    """Say what an item is: `{"event_id": …, "label": …}`; label null takes it back.

    Raises:
        ControlError, CommandError: not done, with the reason.
    """
    try:
        asked = json.loads(body)
        event_id, label = str(UUID(asked["event_id"])), asked["label"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ControlError("expected event_id and label") from None
    if label is not None and label not in config.sorting.routes:
        raise ControlError(f"no such label; there are {', '.join(sorted(config.sorting.routes))}")
    answer = client.request("capture_correct", event_id=event_id, label=label, by=by)
    try:
        return Capture.model_validate(answer)
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None


def export(client: ControlClient, into: IO[bytes]) -> int:
    """Write every corrected capture into a zip: LABEL/EVENT_ID.jpg and provenance.jsonl. Returns how many.

    Raises:
        ControlError, CommandError: the daemon does not give them.
    """
    provenance = []
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as archive:  # JPEGs do not get smaller
        for capture in _corrected(client):
            picture = _picture(client, capture.event_id)
            file = f"{picture.capture.label}/{capture.event_id}.jpg"
            archive.writestr(file, base64.b64decode(picture.jpeg))
            told = picture.capture.model_dump(mode="json", by_alias=True)
            provenance.append(json.dumps({"file": file, **told}, ensure_ascii=False))
        archive.writestr("provenance.jsonl", "".join(f"{line}\n" for line in provenance))
    return len(provenance)


def chunks_of(file: IO[bytes], size: int = 1 << 16) -> Iterator[bytes]:
    """A file's content from its beginning; closed afterwards."""
    with file:
        file.seek(0)
        while chunk := file.read(size):
            yield chunk


def exported(client: ControlClient) -> IO[bytes]:
    """The zip in an unnamed file on disk: it may be large."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - chunks_of closes it
    try:
        export(client, file)
    except BaseException:
        file.close()
        raise
    return file


def _corrected(client: ControlClient) -> Iterator[Capture]:
    before: int | None = None
    while (found := _list(client, before_seq=before, limit=EXPORT_PAGE, corrected=True)).captures:
        yield from found.captures
        before = found.captures[-1].event.seq


def _list(client: ControlClient, **asked: Any) -> CapturesResult:
    try:
        return CapturesResult.model_validate(client.request("captures", **asked))
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None


def _picture(client: ControlClient, event_id: UUID) -> CapturePicture:
    try:
        return CapturePicture.model_validate(client.request("capture_picture", event_id=str(event_id)))
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None
