"""The model tab: what sorts, what is known of it, what this machine runs it with."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import gradio as gr
from pydantic import ValidationError

from edge.console import words
from edge.console.page import trouble
from edge.console.parts import QUIET, html
from edge.control import ControlClient, ModelResult, ReportPicture
from edge.errors import ControlError, SmartbinError

TICK_S = 5.0
_CAPTIONS = {
    "confusion": "Confusion: what each label is taken for",
    "calibration": "Reliability: whether 80% sure is right in 80% of cases",
    "robustness": "Robustness: accuracy with blur, noise, darkness and the like",
    "benchmark": "Latency by precision, as measured where it was exported",
}


def model_tab(client: ControlClient) -> gr.Timer:
    """The tab; the timer that keeps it live runs while it is open."""
    shown = html("", "model-shown")
    timer = gr.Timer(TICK_S, active=False)
    timer.tick(lambda: _shown(client), None, shown, **QUIET)
    return timer


def _shown(client: ControlClient) -> str:
    try:
        return model_of(ModelResult.model_validate(client.request("model")))
    except ValidationError:
        return trouble("Another version", "The daemon is of another version; restart the console.")
    except SmartbinError as error:
        return trouble("The bin's daemon does not answer", words.sentence(error))


def report_png(client: ControlClient, name: str) -> bytes:
    """A picture of the report.

    Raises:
        ControlError, CommandError: there is none.
    """
    try:
        return base64.b64decode(ReportPicture.model_validate(client.request("report_picture", name=name)).png)
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None


def model_of(model: ModelResult) -> str:
    """All of the tab."""
    signed = f"signed by {escape(model.signed_by)}" if model.signed_by else "not signed"
    head = (
        f'<div class="card good"><p class="kicker">{signed}, runs on {escape(model.engine)}</p>'
        f'<p class="headline">{escape(model.name)} <small>{escape(model.version)}</small></p>'
        f"<p>{escape(', '.join(model.labels))}</p></div>"
    )
    return f"{head}{_metrics(model)}{_bundles(model)}{_engines(model)}{_report(model)}{_facts(model)}"


def _metrics(model: ModelResult) -> str:
    rows = [
        (
            row.precision,
            row.split,
            f"{100 * row.accuracy:.1f}% ({row.right} of {row.total})",
            f"{100 * row.interval95[0]:.1f} to {100 * row.interval95[1]:.1f}%",
            f"{row.macro_f1:.3f}",
        )
        for row in model.metrics
    ]
    return _table("How well", ("Precision", "Split", "Accuracy", "95% interval", "Macro F1"), rows)


def _bundles(model: ModelResult) -> str:
    slots = {"config": "named by the config", "a": "slot a", "b": "slot b"}
    rows = [
        (slots.get(row.slot, row.slot), row.version or "cannot be read", "sorts" if row.current else "")
        for row in model.bundles
    ]
    return _table("Bundles on this bin", ("Where", "Version", ""), rows)


def _engines(model: ModelResult) -> str:
    if not model.engines:
        return (
            '<h2>Engines</h2><p id="engines">Not measured on this machine; <code>python -m edge tune</code> does.</p>'
        )
    rows = [
        (
            row.engine,
            row.precision or "",
            "" if row.off_by is None else f"{row.off_by:.3f}",
            "" if row.median_ms is None else f"{row.median_ms:.1f} ms",
            row.why or "may sort",
        )
        for row in model.engines
    ]
    return _table("Engines, as tune measured them", ("Engine", "Precision", "Off by", "Median", ""), rows)


def _report(model: ModelResult) -> str:
    figures = "".join(
        f'<figure><img loading="lazy" src="report/{name}.png" alt="{escape(_CAPTIONS[name])}">'
        f"<figcaption>{escape(_CAPTIONS[name])}</figcaption></figure>"
        for name in model.pictures
        if name in _CAPTIONS
    )
    return f'<h2>Report</h2><div class="pair report">{figures or "<p>The bundle has none.</p>"}</div>'


def _facts(model: ModelResult) -> str:
    return _table("Where it comes from", ("What", ""), list(model.facts.items()))


def _table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
