"""Two models compared on what people named: part of the tab to teach."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from edge.captures.messages import ComparisonResult, ComparisonView
from edge.console.compared import NOTE, heads_of, rows_of
from edge.console.page import card, trouble
from edge.console.parts import QUIET, html, may_only_look
from edge.console.words import sentence
from edge.control import ControlClient
from edge.errors import ControlError, SmartbinError

_PLACES = [("the config's", "config"), ("slot a", "a"), ("slot b", "b")]
_WHAT = (
    "<p>Both models name the items again that people named, from the picture that was kept. It goes on beside the "
    "sorting and only while nothing lies on the tray, so it takes its time.</p>"
)


def compare_part(client: ControlClient, timer: gr.Timer) -> None:
    """The part of the tab; the tab's timer shows how far it is."""
    with gr.Accordion("Compare two models on what was named", open=False, elem_id="compare"):
        html(_WHAT, "compare-what")
        with gr.Row():
            old = gr.Dropdown(_PLACES, value="config", label="Old model", elem_id="compare-old")
            new = gr.Dropdown(_PLACES, value="a", label="New model", elem_id="compare-new")
        begin = gr.Button("Compare", elem_id="compare-begin")
        shown = html("", "compare-shown")

    def start(request: gr.Request, before: str, after: str) -> str:
        if may_only_look(request):
            return trouble("For technicians", "Viewers may look only; log in as a technician.")
        try:
            client.request("compare_models", old=before, new=after)
            return comparison_of(_ask(client))
        except SmartbinError as error:
            return trouble("Not compared", sentence(error))

    def look(request: gr.Request) -> Any:
        if may_only_look(request):
            return ""
        try:
            view = _ask(client)
        except SmartbinError as error:
            return trouble("The comparison cannot be shown", sentence(error))
        return comparison_of(view) if view.wanted else gr.skip()

    begin.click(start, [old, new], shown, show_progress="minimal", api_visibility="private")
    timer.tick(look, None, shown, **QUIET)


def comparison_of(view: ComparisonView) -> str:
    """How far it is, or what came of it."""
    if view.running:
        return card("busy", f"{view.done} of {view.wanted}", "pictures looked at.")
    if view.error is not None:
        return trouble("Not compared", sentence(Exception(view.error)))
    return "" if view.result is None else _result(view.result)


def _result(result: ComparisonResult) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in heads_of(result))
    rows = "".join(_row(*row) for row in rows_of(result))
    table = f'<table id="comparison"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="wide">{table}</div><p class="fine">{NOTE}</p>'


def _row(name: str, *cells: str) -> str:
    alone = ' colspan="5"' if len(cells) == 1 else ""
    return f'<tr><th scope="row">{name}</th>' + "".join(f"<td{alone}>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _ask(client: ControlClient) -> ComparisonView:
    try:
        return ComparisonView.model_validate(client.request("comparison"))
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None
