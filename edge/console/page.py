"""The page's contents as HTML: pure functions of what the daemon answered.

Whatever comes from the daemon or from a file's name is escaped.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import astuple, dataclass, field
from html import escape

import numpy as np

from edge.bundle.preprocess import decode
from edge.console import words
from edge.console.draw import AMBER, TEAL, boxed, data_uri, heat_overlay, jpeg_uri, shrunk
from edge.control import ClassifyResult, StatusResult, ViewResult
from edge.domain import Box, RgbImage
from edge.payloads import EventPayload, FaultPayload, TopPayload

STALE_PICTURE_S = 2.0
"""An older picture is marked, so that nobody takes it for what the tray looks like now."""

PREVIEW_SIDE_PX = 960


@dataclass(frozen=True)
class LivePage:
    """The live tab. Every part is what one component of the page shows."""

    banner: str
    status: str
    tray: str
    decision: str
    top3: dict[str, float] = field(default_factory=dict)
    heat: str = ""

    def versions(self) -> list[str]:
        """A short fingerprint of each part: a part that the browser has already is not sent again."""
        return [f"{zlib.crc32(repr(part).encode()):08x}" for part in astuple(self)]


def live_page(status: StatusResult, view: ViewResult) -> LivePage:
    """The live tab of a daemon that answers."""
    last = view.last
    return LivePage(
        banner=_faults(status.state.faults),
        status=_status(status, view),
        tray=_tray(view),
        decision=_no_decision() if last is None else _decision(last),
        top3={} if last is None else bars(last.top3),
        heat=_heat(view),
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
        tray=_placeholder("No picture", "Nothing here is live until the daemon answers."),
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
        f'<p class="headline">{escape(best.label)} <small>{words.percent(best.p)}</small></p>'
        f"<p><strong>{said}.</strong> {escape(words.reason(result.reason, best.label))}</p>"
        f'<p class="fine">Novelty {_signed(result.novelty)} (higher is stranger) · {result.latency_ms:.0f} ms</p>'
        "</div>"
    )


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


def _status(status: StatusResult, view: ViewResult) -> str:
    phase = words.phase(view.phase)
    pills = [f'<span class="pill {phase.tone}" id="phase" role="status">{escape(phase.text)}</span>']
    if status.state.mode == "maintenance":
        pills.append('<span class="pill bad">Maintenance: nothing is sorted</span>')
    if status.broker == "connected":
        pills.append('<span class="pill quiet">Broker connected</span>')
    else:
        pills.append('<span class="pill bad">Broker down</span>')
    if status.outbox and status.broker == "down":
        pills.append(f'<span class="pill busy">{words.items(status.outbox, "event")} waiting to be sent</span>')
    dropped = sum(status.counts.values())
    counts = "".join(
        f"<li><span>{escape(compartment)}</span> <b>{count}</b></li>"
        for compartment, count in sorted(status.counts.items(), key=lambda entry: (-entry[1], entry[0]))
    )
    total = f'<ul class="counts" aria-label="Items by compartment">{counts}</ul>' if dropped else ""
    return f'<div class="status"><div class="pills">{"".join(pills)}</div>{total}</div>'


def _faults(faults: list[FaultPayload]) -> str:
    return "".join(
        f'<div class="note bad" role="alert" data-fault="{escape(fault.code)}">'
        f"<strong>{escape(fault.message)}</strong> "
        f"<span>{escape(fault.remedy)}</span> "
        f"<small>{escape(fault.code)}, since {fault.since.astimezone():%H:%M}</small></div>"
        for fault in faults
    )


def _tray(view: ViewResult) -> str:
    if view.frame_jpeg is None:
        return _placeholder("No picture yet", "The camera has not given a frame.")
    age_s = (view.frame_age_ms or 0.0) / 1000
    stale = age_s > STALE_PICTURE_S
    seen = "" if view.observation is None else words.tray(view.observation.state)
    source = jpeg_uri(view.frame_jpeg)
    if view.observation is not None and view.observation.box is not None:
        colour = TEAL if view.observation.state == "still" else AMBER
        source = data_uri(boxed(_decoded(view.frame_jpeg), Box(*view.observation.box), colour))
    badge = f'<b class="badge bad">{words.duration(age_s)} old</b>' if stale else '<b class="badge good">live</b>'
    caption = f"{badge} {escape(seen)}"
    return _figure(source, f"The tray from above. {seen}", caption, css="tray stale" if stale else "tray")


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


def _heat(view: ViewResult) -> str:
    if view.last is None or view.crop_jpeg is None or view.evidence is None:
        return ""
    label = view.last.top3[0].label
    overlay = heat_overlay(shrunk(_decoded(view.crop_jpeg), 480), np.asarray(view.evidence, np.float32))
    alt = f"The item with the evidence for {label} over it"
    return _figure(data_uri(overlay), alt, _evidence_caption(label), css="heat")


def _evidence_caption(label: str) -> str:
    return f'<i class="scale" aria-hidden="true"></i> Evidence for <b>{escape(label)}</b>; brighter is stronger'


def _figure(source: str, alt: str, caption: str, css: str = "") -> str:
    """`caption` is HTML, the rest is text."""
    return f'<figure class="{css}"><img src="{source}" alt="{escape(alt)}"><figcaption>{caption}</figcaption></figure>'


def _signed(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def _placeholder(headline: str, text: str) -> str:
    return f'<div class="placeholder"><p class="headline">{escape(headline)}</p><p>{escape(text)}</p></div>'


def _decoded(jpeg_base64: str) -> RgbImage:
    return decode(base64.b64decode(jpeg_base64), name="the daemon's picture")
