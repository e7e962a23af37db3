"""Photographs that the network took for something else, and what it saw in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.evaluation.figures import Share
from train.report.part import Part
from train.report.pictures import heat, jpeg_uri, thumbnail

REFERENCE_CONFUSIONS = (("cardboard", "paper"), ("glass", "metal"))
"""(true, predicted): the two that the result this project grew from names."""
TOP = 3


@dataclass(frozen=True)
class Card:
    """One misclassified photograph. Pictures are data URIs."""

    name: str
    true: str
    predicted: str
    top: list[tuple[str, float]]
    """the TOP most probable labels"""
    photograph: str
    evidence_predicted: str
    evidence_true: str
    """drawn to the scale of `evidence_predicted`"""


@dataclass(frozen=True)
class Confusion:
    """Photographs of one class taken for another: how many of the class, and which."""

    true: str
    predicted: str
    share: Share
    cards: list[Card]


def mistakes(part: Part) -> list[Card]:
    """A card for each misclassified photograph, the most confident mistake first."""
    wrong = np.flatnonzero(~part.evaluation.right)
    confidence = part.p.max(axis=1)
    return [_card(part, int(i)) for i in sorted(wrong, key=lambda i: (-confidence[i], i))]


def named_confusions(part: Part, cards: list[Card]) -> list[Confusion]:
    """The reference's two confusions where the labels exist, else the two that are most frequent here."""
    labels, counts = part.photos.labels, part.evaluation.confusion
    pairs = [pair for pair in REFERENCE_CONFUSIONS if set(pair) <= set(labels)]
    if not pairs:
        off_diagonal = np.argwhere(~np.eye(len(labels), dtype=bool))
        worst = sorted(off_diagonal.tolist(), key=lambda cell: -counts[cell[0], cell[1]])[:2]
        pairs = [(labels[true], labels[predicted]) for true, predicted in worst]
    return [
        Confusion(
            true,
            predicted,
            Share(int(counts[labels.index(true), labels.index(predicted)]), int(counts[labels.index(true)].sum())),
            [card for card in cards if (card.true, card.predicted) == (true, predicted)],
        )
        for true, predicted in pairs
    ]


def _card(part: Part, i: int) -> Card:
    labels, p = part.photos.labels, part.p[i]
    true, predicted = int(part.photos.targets[i]), int(part.outputs.logits[i].argmax())
    rgb = thumbnail(part.photos.root / part.photos.names[i])
    for_true, for_predicted = part.outputs.class_maps[i, true], part.outputs.class_maps[i, predicted]  # (h, w)
    full = float(max(for_true.max(), for_predicted.max()))  # one scale: the two pictures compare
    return Card(
        name=part.photos.names[i],
        true=labels[true],
        predicted=labels[predicted],
        top=[(labels[k], float(p[k])) for k in np.argsort(-p, kind="stable")[:TOP]],
        photograph=jpeg_uri(rgb),
        evidence_predicted=jpeg_uri(heat(rgb, for_predicted, full)),
        evidence_true=jpeg_uri(heat(rgb, for_true, full)),
    )
