"""The page's contents as HTML: pure functions of what the daemon answered.

Whatever comes from the daemon or from a file's name is escaped.
"""

from __future__ import annotations

import zlib
from dataclasses import astuple, dataclass, field
from html import escape

import numpy as np

from edge.console import words
from edge.console.draw import data_uri, heat_overlay, jpeg_uri, shrunk
from edge.control import ClassifyResult, FillView, RecentItem, StatusResult
from edge.domain import RgbImage
from edge.payloads import EventPayload, FaultPayload, TopPayload

PREVIEW_SIDE_PX = 960
ITEM_SIDE_PX = 480


@dataclass(frozen=True)
class LivePage:
    """The live tab. Every part is what one component of the page shows."""

    banner: str
    status: str
    decision: str
    top3: dict[str, float] = field(default_factory=dict)
    item: str = ""
    strip: str = ""

    def versions(self) -> list[str]:
        """A short fingerprint of each part: a part that the browser has already is not sent again."""
        return [f"{zlib.crc32(repr(part).encode()):08x}" for part in astuple(self)]


def live_page(status: StatusResult, last: EventPayload | None, item: str, recent: list[RecentItem]) -> LivePage:
    """The live tab of a daemon that answers. item: the newest item's picture, see `item_figure`."""
    return LivePage(
        banner=_faults(status.state.faults),
        status=_status(status),
        decision=_no_decision() if last is None else _decision(last),
        top3={} if last is None else bars(last.top3),
        item=item,
        strip=_strip(recent),
    )


def down_page(error: str) -> LivePage:
    """The live tab of a daemon that does not answer: no picture, no decision that could pass for a current one."""
    banner = (
        '<div class="note bad" role="alert" id="daemon-down"><strong>The bin\'s daemon does not answer.</strong> '
        f"<span>{escape(error[:1].upper() + error[1:])}.</span> "
        "<span>This page reconnects by itself.</span></div>"
    )
    return LivePage(
        banner=banner,
        status='<div class="status"><span class="pill bad">Not connected</span></div>',
        decision=_placeholder("No decision", "The newest item comes back with the daemon."),
    )


def bars(top3: list[TopPayload]) -> dict[str, float]:
    """What `gr.Label` draws as bars."""
    return {scored.label: scored.p for scored in top3}


def verdict(name: str, result: ClassifyResult) -> str:
    """What the model says of a photograph, in words."""
    best = result.top3[0]
    said = "Accepted" if result.accepted else "Not accepted"
    tone = "good" if result.accepted else "busy"
    return (
        f'<div class="card {tone}" role="status" id="verdict-card"><p class="kicker">{escape(name)}</p>'
        f'<p class="headline">{escape(best.label)} <small>{words.percent(best.p)}</small> '
        f'<span class="arrow" aria-label="would go to">→</span> {escape(result.compartment)}</p>'
        f"<p><strong>{said}.</strong> {escape(words.reason(result.reason, best.label))}</p>"
        f'<p class="fine">{result.latency_ms:.0f} ms. Nothing moved.</p></div>{_why(result)}'
    )


def _why(result: ClassifyResult) -> str:
    """The three questions that decide where an item goes, with their numbers."""
    sure, known = result.belongs >= result.min_probability, result.novelty <= result.novelty_limit
    rows = [
        ("Sure enough?", sure, f"{words.percent(result.belongs)}, at least {words.percent(result.min_probability)}"),
        ("Familiar?", known, f"novelty {_signed(result.novelty)}, at most {_signed(result.novelty_limit)}"),
    ]
    asked = "".join(
        f'<tr><th scope="row">{question}</th><td class="{"good" if yes else "bad"}">{"yes" if yes else "no"}</td>'
        f"<td>{escape(numbers)}</td></tr>"
        for question, yes, numbers in rows
    )
    costs = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{cost:.2f}</td>'
        f"<td>{'goes there' if name == result.compartment else ''}</td></tr>"
        for name, cost in sorted(result.costs.items(), key=lambda entry: entry[1])
    )
    return (
        f'<h2>Why</h2><table id="why"><tbody>{asked}</tbody></table>'
        f'<table id="costs"><thead><tr><th>Compartment</th><th>Expected cost</th><th></th></tr></thead>'
        f"<tbody>{costs}</tbody></table>"
    )


def card(tone: words.Tone, headline: str, text: str) -> str:
    """A short message."""
    more = f"<p>{escape(text)}</p>" if text else ""
    return f'<div class="card {tone}" role="status"><p class="headline">{escape(headline)}</p>{more}</div>'


def trouble(headline: str, text: str) -> str:
    """A message that something did not work, where the verdict would be."""
    return (
        f'<div class="card bad" role="alert" id="verdict-card"><p class="headline">{escape(headline)}</p>'
        f"<p>{escape(text)}</p></div>"
    )


def photograph(rgb: RgbImage, result: ClassifyResult) -> str:
    """The photograph beside its evidence."""
    small = shrunk(rgb, PREVIEW_SIDE_PX)
    label = result.top3[0].label
    heat = heat_overlay(small, np.asarray(result.evidence, np.float32))
    return (
        '<div class="pair">'
        + _figure(data_uri(small), "The photograph as uploaded", "The photograph")
        + _figure(data_uri(heat), f"The photograph with the evidence for {label} over it", _evidence_caption(label))
        + "</div>"
    )


def _status(status: StatusResult) -> str:
    phase = words.phase(status.state.phase)
    pills = [f'<span class="pill {phase.tone}" id="phase" role="status">{escape(phase.text)}</span>']
    if status.state.mode == "maintenance":
        pills.append('<span class="pill bad">Maintenance: nothing is sorted</span>')
    if status.broker == "connected":
        pills.append('<span class="pill quiet">Broker connected</span>')
    else:
        pills.append('<span class="pill bad">Broker down</span>')
    if status.outbox and status.broker == "down":
        pills.append(f'<span class="pill busy">{words.items(status.outbox, "event")} waiting to be sent</span>')
    names = sorted(status.fill.keys() | status.counts.keys())
    compartments = "".join(_compartment(name, status.counts.get(name, 0), status.fill.get(name)) for name in names)
    listed = f'<ul class="counts" aria-label="Compartments">{compartments}</ul>' if names else ""
    return f'<div class="status"><div class="pills">{"".join(pills)}</div>{listed}</div>'


def _compartment(name: str, count: int, fill: FillView | None) -> str:
    level = full = ""
    if fill is not None and fill.percent is not None:
        said, width = f"{fill.percent:.0f}% full", f"width:{fill.percent:.0f}%"
        level = f'<i class="level" role="img" aria-label="{said}" title="{said}"><i style="{width}"></i></i>'
    if fill is not None and fill.full:
        full = '<b class="badge bad">full</b>'
    return f'<li data-compartment="{escape(name)}"><span>{escape(name)}</span> <b>{count}</b>{level}{full}</li>'


def _faults(faults: list[FaultPayload]) -> str:
    return "".join(
        f'<div class="note bad" role="alert" data-fault="{escape(fault.code)}">'
        f"<strong>{escape(fault.message)}</strong> "
        f"<span>{escape(fault.remedy)}</span> "
        f"<small>{escape(fault.code)}, since {fault.since.astimezone():%H:%M}</small></div>"
        for fault in faults
    )


def _decision(event: EventPayload) -> str:
    decision = event.decision
    outcome = words.outcome(event.actuation.outcome)
    sure = words.percent(event.top3[0].p)
    accepted = "Accepted" if decision.accepted else "Not accepted"
    return (
        f'<div class="card {outcome.tone}" data-seq="{event.seq}" data-event="{event.event_id}">'
        f'<p class="kicker">Item {event.seq} at {event.ts.astimezone():%H:%M:%S}</p>'
        f'<p class="headline">{escape(decision.label)} <small>{sure}</small> '
        f'<span class="arrow" aria-label="goes to">→</span> {escape(decision.compartment)}</p>'
        f"<p><strong>{accepted}.</strong> {escape(words.reason(decision.reason, decision.label))}</p>"
        f'<p class="outcome"><span class="dot {outcome.tone}"></span>{escape(outcome.text)}.</p></div>'
    )


def _no_decision() -> str:
    return _placeholder("No item yet", "Lay one item on the tray; what the bin decides appears here.")


def item_figure(event: EventPayload, crop: RgbImage, evidence: list[list[float]]) -> str:
    """The newest item, plain and with the evidence over it; the page shows one of them."""
    label = event.top3[0].label
    small = shrunk(crop, ITEM_SIDE_PX)
    heat = heat_overlay(small, np.asarray(evidence, np.float32))
    return (
        '<figure class="item">'
        f'<img class="plain" src="{data_uri(small)}" alt="The item as it was classified">'
        f'<img class="heat" src="{data_uri(heat)}" alt="The item with the evidence for {escape(label)} over it">'
        f'<figcaption><span class="plain">Item {event.seq}, as it was classified</span>'
        f'<span class="heat">{_evidence_caption(label)}</span></figcaption></figure>'
    )


def _strip(recent: list[RecentItem]) -> str:
    if not recent:
        return ""
    items = "".join(_thumb(item) for item in recent)
    return f'<h2>Last items</h2><ol class="strip" tabindex="0" aria-label="Last items, newest first">{items}</ol>'


def _thumb(item: RecentItem) -> str:
    event = item.event
    outcome = words.outcome(event.actuation.outcome)
    label, compartment = escape(event.decision.label), escape(event.decision.compartment)
    return (
        f'<li data-seq="{event.seq}" title="{escape(outcome.text)}"><img src="{jpeg_uri(item.jpeg)}" alt="">'
        f'<span><i class="dot {outcome.tone}" role="img" aria-label="{escape(outcome.text)}"></i> '
        f"<b>{label}</b> {words.percent(event.top3[0].p)}</span>"
        f'<span><span class="arrow" aria-label="goes to">→</span> {compartment}</span></li>'
    )


def _evidence_caption(label: str) -> str:
    return f'<i class="scale" aria-hidden="true"></i> Evidence for <b>{escape(label)}</b>; brighter is stronger'


def _figure(source: str, alt: str, caption: str, css: str = "") -> str:
    """`caption` is HTML, the rest is text."""
    return f'<figure class="{css}"><img src="{source}" alt="{escape(alt)}"><figcaption>{caption}</figcaption></figure>'


def _signed(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def _placeholder(headline: str, text: str) -> str:
    return f'<div class="placeholder"><p class="headline">{escape(headline)}</p><p>{escape(text)}</p></div>'
