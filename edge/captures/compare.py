"""Two models on the captures that people named: is the new one better on exactly these items?

Both see the picture that was kept, cropped as it was classified. Of items that the new model itself decided it cannot
have learnt; the others may have taught it, and flatter it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import comb
from uuid import UUID

from edge.bundle import decode
from edge.captures.capture import Capture
from edge.captures.field import share_of
from edge.captures.messages import ComparisonResult, PairView
from edge.classify import Classifier
from edge.domain import Box
from edge.errors import CaptureMissing, UnreadablePicture

Read = Callable[[UUID], tuple[Capture, bytes]]
Opened = Callable[[], AbstractContextManager[Classifier]]


@dataclass(frozen=True)
class Judged:
    """What an item is, what both models say, and whether the new one cannot have learnt from it."""

    really: str
    old: str
    new: str
    unseen: bool


def compare(
    items: Sequence[UUID], read: Read, old: Opened, new: Opened, before_each: Callable[[], None] = lambda: None
) -> ComparisonResult:
    """One engine is open at a time, one picture in memory. before_each: called before each picture; may raise.

    An item that is gone meanwhile, or that nobody names any more, is left out.

    Raises:
        BundleError, CommandError, EngineLost: a model cannot be run here, or not now.
    """
    old_version, _, said_old = _named_by(old, items, read, before_each)
    new_version, sha256, said_new = _named_by(new, [*said_old], read, before_each)
    judged = [
        Judged(capture.label, said_old[item][1], label, capture.event.model.sha256 == sha256)
        for item, (capture, label) in said_new.items()
    ]
    return ComparisonResult(
        old=old_version,
        new=new_version,
        all=pair_of(judged),
        unseen=pair_of(each for each in judged if each.unseen),
    )


def _named_by(
    opened: Opened, items: Sequence[UUID], read: Read, before_each: Callable[[], None]
) -> tuple[str, str, dict[UUID, tuple[Capture, str]]]:
    """The model's version, its sha256, and what it calls each item."""
    said = {}
    with opened() as classifier:
        for item in items:
            before_each()
            try:
                capture, jpeg = read(item)
                rgb = decode(jpeg, name=str(item))
            except (CaptureMissing, UnreadablePicture):
                continue
            crop = Box(*capture.box).cut(rgb)
            if capture.correction is not None and crop.size:
                said[item] = capture, classifier.predict(classifier.prepare([crop])).top3[0].label
        model = classifier.bundle.model_id
    return model.version, model.sha256, said


def pair_of(judged: Iterable[Judged]) -> PairView:
    """Both models' figures, and whether the difference may be chance."""
    pairs = [(each.old == each.really, each.new == each.really) for each in judged]
    better, worse = pairs.count((False, True)), pairs.count((True, False))
    return PairView(
        old=share_of(sum(old for old, _ in pairs), len(pairs)),
        new=share_of(sum(new for _, new in pairs), len(pairs)),
        better=better,
        worse=worse,
        chance=sign_test(better, worse),
    )


def sign_test(better: int, worse: int) -> float:
    """McNemar's exact test: how likely so unequal counts, or more so, are where neither model is better."""
    both = better + worse
    return float(min(1.0, 2 * sum(comb(both, k) for k in range(min(better, worse) + 1)) / 2**both))
