"""Two models compared on what people named: part of the tab to teach."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from edge.captures.messages import ComparisonResult, ComparisonView, PairView, ShareView
from edge.console.page import card, trouble
from edge.console.parts import QUIET, html, may_only_look
from edge.console.words import items, percent, sentence
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
    rows = _row("all that were named", result.all) + _row("of these, decided by the new one", result.unseen)
    return (
        '<div class="wide"><table id="comparison"><thead><tr><th>Items</th>'
        f"<th>Old, {escape(result.old)}</th><th>New, {escape(result.new)}</th><th>Better</th><th>Worse</th>"
        f"<th>By chance</th></tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="fine">Better: only the new one is right; worse: only the old one. By chance: how often two equally '
        "good models differ so much on so many items. What was named may have taught the new model, which flatters it; "
        "what it decided itself cannot have.</p>"
    )


def _row(name: str, pair: PairView) -> str:
    if not pair.old.total:
        return f'<tr><th scope="row">{name}</th><td colspan="5">none</td></tr>'
    cells = (_share(pair.old), _share(pair.new), str(pair.better), str(pair.worse), percent(pair.chance))
    return f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _share(share: ShareView) -> str:
    return f"{percent(share.right / share.total)} ({share.right} of {items(share.total, 'item')})"


def _ask(client: ControlClient) -> ComparisonView:
    try:
        return ComparisonView.model_validate(client.request("comparison"))
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None
