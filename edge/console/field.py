"""How often the bin is right, by what people said: figures, confusion, reliability. Part of the history tab."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from edge.captures.messages import FieldLabel, FieldResult, ShareView
from edge.console.page import trouble
from edge.console.parts import html, may_only_look
from edge.console.plot import reliability
from edge.console.words import items, percent, sentence
from edge.control import ControlClient
from edge.errors import SmartbinError

_WHICH = {"all that people named": None, "the random sample": True, "kept because they were hard": False}
ANY = "any"
_NONE = (
    '<div class="placeholder"><p class="headline">Nobody has named an item yet</p><p>Click what an item really is, on '
    "those that were right too: then it is known how often this bin is right.</p></div>"
)


def field_part(client: ControlClient) -> None:
    """The part of the tab; asked for when it is opened."""
    with gr.Accordion("Accuracy in the field", open=False, elem_id="field") as part:
        with gr.Row():
            which = gr.Dropdown(list(_WHICH), value="all that people named", label="Of", elem_id="field-which")
            version = gr.Dropdown([ANY], value=ANY, label="Model version", elem_id="field-version")
        shown = html("", "field-shown")

    def look(request: gr.Request, of: str, wanted: str) -> list[Any]:
        if may_only_look(request):
            return [trouble("For technicians", "Viewers may look only; log in as a technician."), gr.skip()]
        try:
            asked = {"sampled": _WHICH.get(of), "version": None if wanted == ANY else wanted}
            found = FieldResult.model_validate(client.request("capture_figures", **asked))
        except ValidationError:
            return [trouble("Another version", "The daemon is of another version; restart the console."), gr.skip()]
        except SmartbinError as error:
            return [trouble("The accuracy cannot be shown", sentence(error)), gr.skip()]
        return [field_of(found), gr.Dropdown([ANY, *found.versions], value=wanted)]

    for event in (part.expand, which.change, version.input):
        event(look, [which, version], [shown, version], show_progress="minimal", api_visibility="private")


def field_of(found: FieldResult) -> str:
    """The figures, with what they can and cannot say."""
    if not found.named.total and not found.sample.total:
        return _NONE
    rows = [
        ("What is looked at here", found.named),
        ("The random sample", found.sample),
        ("The random sample, where the bin was sure", found.sample_sure),
    ]
    body = "".join(
        f'<tr><th scope="row">{name}</th><td>{_share(share)}</td><td>{_interval(share)}</td></tr>'
        for name, share in rows
    )
    return (
        '<div class="wide"><table id="field-figures"><thead><tr><th></th><th>Right</th><th>95% interval</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div>{_caution(found)}"
        f'<div class="plots">{reliability(found.reliability)}</div>{_by_label(found.labels)}{_confusion(found.labels)}'
    )


def _caution(found: FieldResult) -> str:
    known, open_ = found.sample, found.sample_open
    said = [
        "Most captures were kept because they are hard, and people rather name what is wrong: of these the bin is "
        "less often right than of all that it sorts. How often of all, the random sample tells."
    ]
    if not known.total:
        said.append(
            "<b>None of the random sample has been named, so how often this bin is right is not known.</b> The filters "
            "above find it: kept, of the random sample."
        )
    elif open_:
        least, most = known.right / (known.total + open_), (known.right + open_) / (known.total + open_)
        said.append(
            f"<b>{items(open_, 'item')} of the sample {'is' if open_ == 1 else 'are'} not named yet: "
            f"{percent(least)} to {percent(most)} of it is right, whatever {'that is' if open_ == 1 else 'those are'}."
            "</b>"
        )
    return "".join(f'<p class="fine">{text}</p>' for text in said)


def _by_label(labels: list[FieldLabel]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(row.label)}</th><td>{_share(row.recall)}</td>'
        f"<td>{_share(row.precision)}</td></tr>"
        for row in labels
    )
    return (
        '<h2>By label</h2><div class="wide"><table id="field-labels"><thead><tr><th>Label</th>'
        "<th>Named rightly, of those that are</th><th>Right, of those named so</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _confusion(labels: list[FieldLabel]) -> str:
    heads = "".join(f'<th scope="col">{escape(row.label)}</th>' for row in labels)
    rows = "".join(
        f'<tr><th scope="row">{escape(row.label)}</th>' + "".join(_cell(count, row) for count in row.confused) + "</tr>"
        for row in labels
    )
    return (
        '<h2>Confusion: what each is (rows), and what it was named (columns)</h2><div class="wide">'
        f'<table class="confusion" id="field-confusion"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(count: int, row: FieldLabel) -> str:
    share = count / row.recall.total if row.recall.total else 0.0
    return f'<td style="--share:{share:.2f}">{count}</td>'


def _share(share: ShareView) -> str:
    if not share.total:
        return "none named"
    return f"{percent(share.right / share.total)} ({share.right} of {share.total})"


def _interval(share: ShareView) -> str:
    return f"{percent(share.interval95[0])} to {percent(share.interval95[1])}" if share.total else ""
