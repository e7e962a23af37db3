"""Two models' answers to one photograph, side by side, as HTML."""

from __future__ import annotations

from html import escape

import numpy as np

from edge.console import words
from edge.console.draw import data_uri, heat_overlay, shrunk
from edge.console.model_page import PLACES
from edge.control import BundleView, ClassifyResult
from edge.domain import RgbImage

ALONE = ("none", "")
SIDE_PX = 480
WAITING = (
    '<div class="card busy" role="status"><p class="headline">The other model is being loaded</p>'
    "<p>For this photograph alone, in a process of its own. The bin sorts on with its own.</p></div>"
)


def choices_of(bundles: list[BundleView]) -> list[tuple[str, str]]:
    """The models that can be beside the one that sorts: what is shown, and the place."""
    others = [bundle for bundle in bundles if not bundle.current and bundle.problem is None]
    return [ALONE, *((f"{each.name} {each.version} ({PLACES[each.slot]})", each.slot) for each in others)]


def side_by_side(rgb: RgbImage, sorts: ClassifyResult, other: ClassifyResult) -> str:
    """What each says, and whether the item would go the same way."""
    same = sorts.compartment == other.compartment
    said = (
        f"Both put it into {escape(sorts.compartment)}."
        if same
        else f"They differ: {escape(sorts.compartment)} or {escape(other.compartment)}."
    )
    small = shrunk(rgb, SIDE_PX)
    return (
        f'<h2>Two models</h2><p id="agreement" role="status" class="{"good" if same else "bad"}"><b>{said}</b></p>'
        f'<div class="pair">{_answer("sorts", sorts, small)}{_answer("beside it", other, small)}</div>'
    )


def _answer(role: str, answer: ClassifyResult, small: RgbImage) -> str:
    label = answer.top3[0].label
    accepted = "Accepted" if answer.accepted else "Not accepted"
    heat = data_uri(heat_overlay(small, np.asarray(answer.evidence, np.float32)))
    bars = "".join(
        f'<tr><th scope="row">{escape(each.label)}</th><td><meter min="0" max="1" value="{each.p:.4f}">'
        f"{words.percent(each.p)}</meter></td><td>{words.percent(each.p)}</td></tr>"
        for each in answer.top3
    )
    best = f"{escape(label)} <small>{words.percent(answer.top3[0].p)}</small>"
    return (
        f'<article class="card {"good" if answer.accepted else "busy"}">'
        f'<p class="kicker">{escape(answer.model)}, {role}</p>'
        f'<p class="headline">{best} <span class="arrow" aria-label="would go to">→</span> '
        f"{escape(answer.compartment)}</p>"
        f"<p><strong>{accepted}.</strong> {escape(words.reason(answer.reason, label))}</p>"
        f'<table class="bars"><tbody>{bars}</tbody></table>'
        f'<figure><img src="{heat}" alt="The evidence for {escape(label)}, by {escape(answer.model)}"></figure>'
        f'<p class="fine">Novelty {answer.novelty:.1f}, at most {answer.novelty_limit:.1f}; '
        f"{answer.latency_ms:.0f} ms.</p></article>"
    )
