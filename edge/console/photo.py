"""The tab to try a photograph: what the bin would call it, and do with it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from edge.bundle.preprocess import decode
from edge.console import page
from edge.console.parts import html, may_only_look
from edge.control import PHOTOGRAPH_LIMIT_BYTES, ClassifyResult, CommandError, ControlClient
from edge.errors import ControlError, UnreadablePicture

_NOT_ALLOWED: tuple[str, dict[str, float], str] = (
    page.trouble("For technicians", "Viewers may look only; log in as a technician."),
    {},
    "",
)


_INTRODUCTION = (
    '<div class="placeholder"><p>The bin says what it would call the item, with its own model. '
    "Nothing moves. JPEG, PNG, WebP or BMP.</p></div>"
)


def classify(client: ControlClient, file: Path) -> tuple[str, dict[str, float], str]:
    """An uploaded photograph → verdict, bars and pictures. The upload is deleted: nobody's photographs stay here."""
    name = file.name
    try:
        encoded = file.read_bytes()
    finally:
        file.unlink(missing_ok=True)
    if len(encoded) > PHOTOGRAPH_LIMIT_BYTES:
        found, most = len(encoded) / 1e6, PHOTOGRAPH_LIMIT_BYTES / 1e6
        return page.trouble("Too large", f"{name} has {found:.1f} MB, the most is {most:.0f} MB."), {}, ""
    try:
        rgb = decode(encoded, name=name)
        answer = client.request("classify", name=name[-255:], image=base64.b64encode(encoded).decode("ascii"))
        result = ClassifyResult.model_validate(answer)
    except UnreadablePicture as error:
        return page.trouble("Not a picture that can be read", f"{error}."), {}, ""
    except CommandError as error:
        return page.trouble("The bin could not classify it", f"{error}."), {}, ""
    except ControlError as error:
        return page.trouble("The bin's daemon does not answer", f"{error}. Then upload the photograph again."), {}, ""
    except ValidationError:
        text = "The daemon answers in a form that this console does not know; restart the console."
        return page.trouble("The bin could not classify it", text), {}, ""
    return page.verdict(name, result), page.bars(result.top3), page.photograph(rgb, result)


def photo_tab(client: ControlClient) -> None:
    """The tab, and what it does with an upload."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            upload = gr.File(
                label="Photograph of one item",
                file_types=["image"],
                type="filepath",
                height=180,
                elem_id="upload",
            )
            verdict = html(_INTRODUCTION, "verdict")
            top3 = gr.Label(label="Top 3", elem_id="photograph-top3", show_heading=False)
        with gr.Column(scale=2, min_width=300):
            pictures = html("", "pictures")

    def photograph_of(path: str, request: gr.Request) -> list[Any]:
        return [None, *_NOT_ALLOWED] if may_only_look(request) else [None, *classify(client, Path(path))]

    upload.upload(
        photograph_of,
        inputs=[upload],
        outputs=[upload, verdict, top3, pictures],
        show_progress="minimal",
        concurrency_limit=1,
        api_visibility="private",
    )
