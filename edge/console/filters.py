"""Which captures are asked for: the history tab's filters, and what they say to the control socket."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import gradio as gr

from edge.config import Config
from edge.console import words

ANY = "any"
_WHEN = {"any time": None, "the last hour": 1, "the last day": 24, "the last week": 7 * 24}
_CORRECTED = {ANY: None, "corrected": True, "not corrected": False}
_CHOSEN = {ANY: None, "of the random sample": True, "because it was hard": False}
_DAY, _NOTHING = timedelta(days=1), timedelta()
_TIME = "2026-11-29 or 2026-11-29 14:05"


class Chosen(NamedTuple):
    """What the filters are set to, as gradio gives it, in the order of `filters`."""

    label: str
    when: str
    corrected: str
    reason: str
    outcome: str
    sampled: str
    at_least: float | None
    below: float | None
    start: str
    end: str


def filters(config: Config) -> list[Any]:
    """The components, in the order of `Chosen`."""
    outcomes = [(said.text, code) for code, said in words.OUTCOMES.items() if code != "PENDING"]
    with gr.Row():
        label = gr.Dropdown([ANY, *sorted(config.sorting.routes)], value=ANY, label="Label", elem_id="history-label")
        when = gr.Dropdown(list(_WHEN), value="any time", label="When", elem_id="history-when")
        corrected = gr.Dropdown(list(_CORRECTED), value=ANY, label="Corrected", elem_id="history-corrected")
    with gr.Accordion("More filters", open=False, elem_id="history-more"):
        with gr.Row():
            reason = gr.Dropdown([ANY, *words.REASONS], value=ANY, label="Reason", elem_id="history-reason")
            outcome = gr.Dropdown([(ANY, ANY), *outcomes], value=ANY, label="Outcome", elem_id="history-outcome")
            sampled = gr.Dropdown(list(_CHOSEN), value=ANY, label="Kept", elem_id="history-sampled")
        with gr.Row():
            at_least = gr.Number(0, label="Sure at least (%)", minimum=0, maximum=100, elem_id="history-at-least")
            below = gr.Number(100, label="Sure less than (%)", minimum=0, maximum=100, elem_id="history-below")
            start = gr.Textbox(label="From", placeholder=_TIME, max_lines=1, elem_id="history-from")
            end = gr.Textbox(label="Until", placeholder=_TIME, max_lines=1, elem_id="history-until")
    return [label, when, corrected, reason, outcome, sampled, at_least, below, start, end]


def asked_for(chosen: Chosen, now: datetime) -> dict[str, Any]:
    """What `captures` is asked. Typed times are this machine's local ones.

    Raises:
        ValueError: what was typed is no time, or no share; the message is for people.
    """
    hours = _WHEN.get(chosen.when)
    recent = None if hours is None else now - timedelta(hours=hours)
    starts = [time for time in (recent, _time(chosen.start, "From")) if time is not None]
    return {
        "label": _or_any(chosen.label),
        "corrected": _CORRECTED.get(chosen.corrected),
        "reason": _or_any(chosen.reason),
        "outcome": _or_any(chosen.outcome),
        "sampled": _CHOSEN.get(chosen.sampled),
        "p_from": _share(chosen.at_least, "Sure at least"),
        "p_below": _share(chosen.below, "Sure less than"),
        "since": max(starts).isoformat() if starts else None,
        "until": _iso(_time(chosen.end, "Until", ends_day=True)),
    }


def _or_any(value: str) -> str | None:
    return None if value == ANY else value


def _share(percent: float | None, name: str) -> float | None:
    """0 and 100 leave nothing out: 100% sure is not less than 100%, and not meant to be hidden either."""
    if percent in (None, 0, 100):
        return None
    if not 0 <= percent <= 100:
        raise ValueError(f"{name}: expected 0 to 100, found {percent:g}")
    return percent / 100


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(typed: str | None, name: str, *, ends_day: bool = False) -> datetime | None:
    """A date, or a date with a time. ends_day: a date alone is meant with all of its day."""
    text = (typed or "").strip()
    if not text:
        return None
    for form, lasts in (("%Y-%m-%d", _DAY), ("%Y-%m-%d %H:%M", _NOTHING), ("%Y-%m-%d %H:%M:%S", _NOTHING)):
        with suppress(ValueError, OverflowError):
            time = datetime.strptime(text, form)
            return (time + lasts if ends_day else time).astimezone()
    raise ValueError(f"{name}: expected {_TIME}, found {text!r:.40}")
