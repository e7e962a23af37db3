"""The tab to try a photograph: what the bin would call it, do with it, and why."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
from pydantic import ValidationError

from edge.bundle.golden import read_golden
from edge.config import Config
from edge.console import page, words
from edge.console.parts import html, may_only_look
from edge.console.upload import read_upload
from edge.control import ClassifyResult, CommandError, ControlClient
from edge.errors import BundleError, ControlError, UnreadablePicture

Answer = tuple[str, dict[str, float], str]
"""Verdict, bars, pictures."""

_NOT_ALLOWED: Answer = (page.trouble("For technicians", "Viewers may look only; log in as a technician."), {}, "")
_INTRODUCTION = (
    '<div class="placeholder"><p>The bin says what it would call the item, with its own model, and what it would do. '
    "Nothing moves. JPEG, PNG, WebP or BMP.</p></div>"
)


def classify_file(client: ControlClient, file: Path) -> Answer:
    """An uploaded photograph → its answer. The upload is deleted: nobody's photographs stay here."""
    try:
        encoded = file.read_bytes()
    finally:
        file.unlink(missing_ok=True)
    return classify(client, encoded, file.name)


def classify(client: ControlClient, encoded: bytes, name: str) -> Answer:
    """A photograph's bytes → verdict, bars and pictures."""
    try:
        rgb, small = read_upload(encoded, name)
        answer = client.request("classify", name=name[-255:], image=base64.b64encode(small).decode("ascii"))
        result = ClassifyResult.model_validate(answer)
    except UnreadablePicture as error:
        return page.trouble("Not a picture that can be read", f"{error}."), {}, ""
    except CommandError as error:
        return page.trouble("The bin could not classify it", words.sentence(error)), {}, ""
    except ControlError as error:
        said = f"{words.sentence(error)} Then upload the photograph again."
        return page.trouble("The bin's daemon does not answer", said), {}, ""
    except ValidationError:
        text = "The daemon answers in a form that this console does not know; restart the console."
        return page.trouble("The bin could not classify it", text), {}, ""
    return page.verdict(name, result), page.bars(result.top3), page.photograph(rgb, result)


def samples_of(config: Config) -> list[tuple[str, bytes]]:
    """The bundle's golden pictures, the project's own renders, as PNG files with names."""
    try:
        images = read_golden(config.classify.bundle / "golden.npz").images
    except (BundleError, OSError):
        return []
    files = (cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes() for image in images)
    return [(f"sample {number} of {len(images)}", file) for number, file in enumerate(files, 1)]


def photo_tab(config: Config, client: ControlClient) -> None:
    """The tab, and what it does with an upload, a webcam's picture or a sample."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            upload = gr.File(
                label="Photograph of one item",
                file_types=["image"],
                type="filepath",
                height=160,
                elem_id="upload",
            )
            sample = gr.Button("Try a sample", elem_id="sample")
            with gr.Accordion("Webcam", open=False, elem_id="webcam"):
                html("<p>Browsers allow it on this machine and over HTTPS.</p>", "webcam-note")
                webcam = gr.Image(sources=["webcam"], type="filepath", label="Webcam", elem_id="webcam-image")
            verdict = html(_INTRODUCTION, "verdict")
            top3 = gr.Label(label="Top 3", elem_id="photograph-top3", show_heading=False)
        with gr.Column(scale=2, min_width=300):
            pictures = html("", "pictures")
    turn = gr.Number(0, visible=False, precision=0)  # gr.State would hold a stream open for each page
    shown: list[Any] = [verdict, top3, pictures]
    slow: dict[str, Any] = {"show_progress": "minimal", "concurrency_limit": 1, "concurrency_id": "classify"}

    def of_file(path: str | None, request: gr.Request) -> list[Any]:
        if path is None:
            return [gr.skip()] * 4
        return [None, *(_NOT_ALLOWED if may_only_look(request) else classify_file(client, Path(path)))]

    def of_sample(number: int, request: gr.Request) -> list[Any]:
        if may_only_look(request):
            return [number, *_NOT_ALLOWED]
        samples = samples_of(config)
        if not samples:
            said = page.trouble("No samples", f"{config.classify.bundle} has no golden pictures that can be read.")
            return [number, said, {}, ""]
        name, encoded = samples[number % len(samples)]
        return [number + 1, *classify(client, encoded, name)]

    upload.upload(of_file, [upload], [upload, *shown], api_visibility="private", **slow)
    webcam.change(of_file, [webcam], [webcam, *shown], api_visibility="private", **slow)
    sample.click(of_sample, [turn], [turn, *shown], api_visibility="private", **slow)
