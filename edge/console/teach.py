"""The tab to teach: what a person should name next, how much is enough, and the export to train with."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from edge.captures.messages import TeachResult, Why
from edge.config import Config
from edge.console.cards import EXPORT, SAMPLED, card_of
from edge.console.compare import compare_part
from edge.console.page import trouble
from edge.console.parts import QUIET, html, may_only_look
from edge.console.words import items, sentence
from edge.control import ControlClient
from edge.errors import ControlError, SmartbinError

TICK_S = 3.0
PAGE = 12
KEPT_SKIPPED = 500
WHY: dict[Why, str] = {
    "DISPUTED": "models disagree",
    "UNCERTAIN": "not sure",
    "NOVEL": "unknown",
    "MIXED": "mixed",
    "SAMPLED": SAMPLED,
    "OTHER": "kept",
}


def teach_tab(config: Config, client: ControlClient, tab: gr.Tab) -> gr.Timer:
    """The tab; the timer keeps its bar live while it is open. A click on a label is page.js's, as in the history."""
    labels = sorted(config.sorting.routes)
    bar = html("", "teach-bar")
    shown = html("", "teach-items")
    passed = gr.Textbox("", visible=False)  # ids of the items shown and passed over
    with gr.Row():
        again = gr.Button("Show what to name next", elem_id="teach-next")
        others = gr.Button("Pass these over", elem_id="teach-others")
    html(EXPORT, "teach-export")
    timer = gr.Timer(TICK_S, active=False)
    compare_part(client, timer)

    def progress(request: gr.Request) -> str:
        if may_only_look(request):
            return trouble("For technicians", "Viewers may look only; log in as a technician.")
        try:
            return bar_of(_ask(client, limit=0), labels)
        except SmartbinError as error:
            return trouble("What to teach cannot be shown", sentence(error))

    def look(request: gr.Request, skip: str) -> list[str]:
        if may_only_look(request):
            return ["", ""]
        try:
            found = _ask(client, limit=PAGE, skip=skip.split())
        except SmartbinError as error:
            return [trouble("What to teach cannot be shown", sentence(error)), skip]
        seen = [str(item.capture.event_id) for item in found.items]
        return [items_of(found, labels), " ".join([*skip.split(), *seen][-KEPT_SKIPPED:])]

    def from_first(request: gr.Request) -> list[str]:
        return look(request, "")

    timer.tick(progress, None, bar, **QUIET)
    for event in (tab.select, again.click):
        event(progress, None, bar, **QUIET)
        event(from_first, None, [shown, passed], show_progress="minimal", api_visibility="private")
    others.click(look, passed, [shown, passed], show_progress="minimal", api_visibility="private")
    return timer


def bar_of(found: TeachResult, labels: list[str]) -> str:
    """How far it is to enough, over all labels and for each."""
    wanted = found.enough * len(labels)
    have = {label: min(found.enough, found.named.get(label, 0)) for label in labels}
    total = sum(have.values())
    rows = "".join(
        f"<li><span>{escape(label)}</span>{_meter(count, found.enough, label)}<b>{found.named.get(label, 0)}</b></li>"
        for label, count in have.items()
    )
    missing = [label for label, count in have.items() if count < found.enough]
    said = (
        "Enough to retrain. Download it below."
        if not missing
        else f"Enough to retrain is {found.enough} of each label, of those that come to this bin."
    )
    return (
        f'<div class="card {"good" if not missing else "quiet"}"><p class="headline">{total} of {wanted} '
        f"<small>towards enough to retrain</small></p>{_meter(total, wanted, 'All labels')}<p>{said}</p>"
        f'<ul class="meters">{rows}</ul></div>'
    )


def items_of(found: TeachResult, labels: list[str]) -> str:
    """The items, what teaches most first."""
    if not found.items:
        text = "Every kept item that is not passed over has been named."
        return f'<div class="placeholder"><p class="headline">Nothing to name</p><p>{text}</p></div>'
    waiting = ", ".join(f"{WHY[why]} {count}" for why, count in found.open.items())
    cards = "".join(card_of(item.capture, labels, WHY[item.why]) for item in found.items)
    head = f"{items(sum(found.open.values()), 'item')} not named yet: {waiting}"
    return f'<p class="fine">{escape(head)}</p><ol class="captures">{cards}</ol>'


def _meter(value: int, most: int, name: str) -> str:
    return f'<progress max="{most}" value="{value}" aria-label="{escape(name)}: {value} of {most}"></progress>'


def _ask(client: ControlClient, **asked: Any) -> TeachResult:
    try:
        return TeachResult.model_validate(client.request("capture_teach", **asked))
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None
