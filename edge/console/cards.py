"""Captures as cards: the picture, what was decided, and the labels to click. Pure."""

from __future__ import annotations

from html import escape

from edge.captures.capture import Capture
from edge.captures.messages import CapturesResult
from edge.console import words

SAMPLED = "random sample"
EXPORT = (
    '<form method="post" action="export" class="download"><button>Download what was corrected</button>'
    "<p>A zip with a folder for each label and provenance.jsonl: for python -m train ingest.</p></form>"
)


def cards_of(found: CapturesResult, labels: list[str]) -> str:
    """The items of the history."""
    if not found.captures:
        why = "Nothing kept is like that." if found.enabled or found.total else "This bin keeps no captures."
        return f'<div class="placeholder"><p>{why}</p></div>'
    cards = "".join(card_of(capture, labels) for capture in found.captures)
    return f'<p class="fine">{found.total} kept, {found.total_mb:.0f} MB</p><ol class="captures">{cards}</ol>'


def card_of(capture: Capture, labels: list[str], badge: str = "") -> str:
    """One item. badge: a word or two on top of it; what it says is not said twice."""
    event = capture.event
    outcome = words.outcome(event.actuation.outcome)
    top3 = ", ".join(f"{each.label} {words.percent(each.p)}" for each in event.top3)
    took = ", ".join(f"{stage} {taken:.0f} ms" for stage, taken in event.latency_ms.items())
    chosen = capture.correction.label if capture.correction else None
    buttons = "".join(
        f'<button type="button" data-correct="{escape(label)}" aria-pressed="{str(label == chosen).lower()}">'
        f"{escape(label)}</button>"
        for label in labels
    )
    return (
        f'<li data-capture="{event.event_id}"><img loading="lazy" src="captures/{event.event_id}.jpg" '
        f'alt="Item {event.seq} on the tray"><div>{f"<p><b class=pill>{escape(badge)}</b></p>" if badge else ""}'
        f"<p><b>{escape(event.decision.label)}</b> → "
        f"{escape(event.decision.compartment)} <small>item {event.seq}, {event.ts.astimezone():%d %b %H:%M}"
        f"{', of the random sample' if capture.sampled and badge != SAMPLED else ''}</small></p>"
        f"<p>{escape(words.reason(event.decision.reason, event.decision.label))} "
        f'<i class="dot {outcome.tone}" aria-hidden="true"></i> {escape(outcome.text)}.</p>{_other(capture)}'
        f"<p><small>{escape(top3)}<br>{escape(took)}</small></p>"
        f'<div class="labels" role="group" aria-label="What item {event.seq} really is">{buttons}</div>'
        f'<p class="said" role="status"></p></div></li>'
    )


def _other(capture: Capture) -> str:
    other = capture.other
    if other is None:
        return ""
    return (
        f"<p>On trial, version {escape(other.version)} says <b>{escape(other.label)}</b> {words.percent(other.p)} → "
        f"{escape(other.compartment)}.</p>"
    )
