"""The tab to try a photograph: what the bin would call it, do with it, and why."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
from pydantic import ValidationError

from edge.bundle.golden import read_golden
from edge.config import Config
from edge.console import page, words
from edge.console.parts import QUIET, html, may_only_look
from edge.console.side_by_side import ALONE, WAITING, choices_of, side_by_side
from edge.console.upload import read_upload
from edge.control import ClassifyResult, CommandError, ControlClient, ModelResult
from edge.errors import BundleError, ControlError, SmartbinError, UnreadablePicture

Answer = tuple[Any, Any, Any, Any]
"""Verdict, bars, pictures, and another model's answer beside this one's."""

_INTRODUCTION = (
    '<div class="placeholder"><p>The bin says what it would call the item, with its own model, and what it would do. '
    "Nothing moves. JPEG, PNG, WebP or BMP.</p></div>"
)


def trouble(headline: str, text: str) -> Answer:
    """No answer."""
    return page.trouble(headline, text), {}, "", ""


_NOT_ALLOWED = trouble("For technicians", "Viewers may look only; log in as a technician.")


def classify_file(client: ControlClient, file: Path, slot: str) -> Iterator[Answer]:
    """An uploaded photograph → its answers. The upload is deleted: nobody's photographs stay here."""
    try:
        encoded = file.read_bytes()
    finally:
        file.unlink(missing_ok=True)
    yield from classify(client, encoded, file.name, slot)


def classify(client: ControlClient, encoded: bytes, name: str, slot: str) -> Iterator[Answer]:
    """A photograph's bytes → what the model that sorts says; then, where there is a slot, its model's answer beside."""
    try:
        rgb, small = read_upload(encoded, name)
        first = _ask(client, small, name, None)
    except SmartbinError as error:
        yield trouble(*_words_of(error))
        return
    yield page.verdict(name, first), page.bars(first.top3), page.photograph(rgb, first), WAITING if slot else ""
    if slot:
        try:
            beside = side_by_side(rgb, first, _ask(client, small, name, slot))
        except SmartbinError as error:
            beside = page.trouble(*_words_of(error))
        yield gr.skip(), gr.skip(), gr.skip(), beside


def _ask(client: ControlClient, encoded: bytes, name: str, slot: str | None) -> ClassifyResult:
    image = base64.b64encode(encoded).decode("ascii")
    try:
        return ClassifyResult.model_validate(client.request("classify", name=name[-255:], image=image, slot=slot))
    except ValidationError:
        raise CommandError("the daemon is of another version; restart the console") from None


def _words_of(error: SmartbinError) -> tuple[str, str]:
    """Headline and text."""
    if isinstance(error, UnreadablePicture):
        return "Not a picture that can be read", words.sentence(error)
    if isinstance(error, ControlError) and not isinstance(error, CommandError):
        return "The bin's daemon does not answer", f"{words.sentence(error)} Then upload the photograph again."
    return "The bin could not classify it", words.sentence(error)


def models_of(client: ControlClient) -> list[tuple[str, str]]:
    """What may be chosen beside the model that sorts."""
    try:
        return choices_of(ModelResult.model_validate(client.request("model")).bundles)
    except (SmartbinError, ValidationError):
        return [ALONE]


def samples_of(config: Config) -> list[tuple[str, bytes]]:
    """The bundle's golden pictures, the project's own renders, as PNG files with names."""
    try:
        images = read_golden(config.classify.bundle / "golden.npz").images
    except (BundleError, OSError):
        return []
    files = (cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes() for image in images)
    return [(f"sample {number} of {len(images)}", file) for number, file in enumerate(files, 1)]


def photo_tab(config: Config, client: ControlClient, tab: gr.Tab) -> None:
    """The tab's contents, and what it does with an upload, a webcam's picture or a sample."""
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
            other = gr.Dropdown([ALONE], value="", label="Another model beside it", elem_id="other-model")
            with gr.Accordion("Webcam", open=False, elem_id="webcam"):
                html("<p>Browsers allow it on this machine and over HTTPS.</p>", "webcam-note")
                webcam = gr.Image(sources=["webcam"], type="filepath", label="Webcam", elem_id="webcam-image")
            verdict = html(_INTRODUCTION, "verdict")
            top3 = gr.Label(label="Top 3", elem_id="photograph-top3", show_heading=False)
        with gr.Column(scale=2, min_width=300):
            pictures = html("", "pictures")
            beside = html("", "beside")
    turn = gr.Number(0, visible=False, precision=0)  # gr.State would hold a stream open for each page
    shown: list[Any] = [verdict, top3, pictures, beside]
    slow: dict[str, Any] = {"show_progress": "minimal", "concurrency_limit": 1, "concurrency_id": "classify"}

    def of_file(path: str | None, slot: str, request: gr.Request) -> Iterator[list[Any]]:
        if path is None:
            yield [gr.skip()] * 5
        elif may_only_look(request):
            yield [None, *_NOT_ALLOWED]
        else:
            for answer in classify_file(client, Path(path), slot):
                yield [None, *answer]

    def of_sample(number: int, slot: str, request: gr.Request) -> Iterator[list[Any]]:
        if may_only_look(request):
            yield [number, *_NOT_ALLOWED]
            return
        samples = samples_of(config)
        if not samples:
            said = f"{config.classify.bundle} has no golden pictures that can be read."
            yield [number, *trouble("No samples", said)]
            return
        name, encoded = samples[number % len(samples)]
        for answer in classify(client, encoded, name, slot):
            yield [number + 1, *answer]

    upload.upload(of_file, [upload, other], [upload, *shown], api_visibility="private", **slow)
    webcam.change(of_file, [webcam, other], [webcam, *shown], api_visibility="private", **slow)
    sample.click(of_sample, [turn, other], [turn, *shown], api_visibility="private", **slow)

    def opened(slot: str, request: gr.Request) -> gr.Dropdown:
        """What is on the bin now."""
        models = [ALONE] if may_only_look(request) else models_of(client)
        return gr.Dropdown(models, value=slot if slot in dict(models).values() else "")

    tab.select(opened, [other], [other], **QUIET)
