"""How often a bin is right, by what people said of its captures: in the field, not in the laboratory. Pure.

Most captures were kept because they are hard, and people rather correct what is wrong, so that figures of all corrected
items look worse than the bin is. The random sample is neither, once all of it has been named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from edge.bundle.figures import confusion_matrix, wilson_interval
from edge.captures.entry import CaptureFilter, Entry
from edge.captures.messages import FieldBin, FieldLabel, FieldResult, ShareView

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the confidences that are counted together; few captures are less than half sure."""


def figures_of(
    entries: Sequence[Entry], wanted: CaptureFilter | None = None, *, sampled: bool | None = None
) -> FieldResult:
    """Of entries, newest first, those that fit. sampled: of which the figures by label and by confidence are."""
    fitting = [entry for entry in entries if entry.fits(wanted or CaptureFilter())]
    sample = [entry for entry in fitting if entry.sampled]
    named = [entry for entry in fitting if entry.corrected and sampled in (None, entry.sampled)]
    return FieldResult(
        named=_share(named),
        sample=_share(entry for entry in sample if entry.corrected),
        sample_sure=_share(entry for entry in sample if entry.corrected and entry.accepted),
        sample_open=sum(not entry.corrected for entry in sample),
        labels=_by_label(named),
        reliability=_by_confidence(named),
        versions=list(dict.fromkeys(entry.version for entry in entries)),
    )


def share_of(right: int, total: int) -> ShareView:
    """So many of so many, with Wilson's interval."""
    return ShareView(right=right, total=total, interval95=wilson_interval(right, total))


def _share(named: Iterable[Entry]) -> ShareView:
    right = [entry.said == entry.label for entry in named]
    return share_of(sum(right), len(right))


def _by_label(named: Sequence[Entry]) -> list[FieldLabel]:
    labels = sorted({entry.label for entry in named} | {entry.said for entry in named})
    number = {label: k for k, label in enumerate(labels)}
    truth = np.array([number[entry.label] for entry in named], np.int64)
    said = np.array([number[entry.said] for entry in named], np.int64)
    confusion = confusion_matrix(truth, said, len(labels))  # (K, K): row = what it is, column = what it was named
    return [
        FieldLabel(
            label=label,
            recall=share_of(int(confusion[k, k]), int(confusion[k].sum())),
            precision=share_of(int(confusion[k, k]), int(confusion[:, k].sum())),
            confused=confusion[k].tolist(),
        )
        for k, label in enumerate(labels)
    ]


def _by_confidence(named: Sequence[Entry]) -> list[FieldBin]:
    bins = []
    for low, high in pairwise(EDGES):
        inside = [entry for entry in named if low <= entry.p < high or entry.p == high == EDGES[-1]]
        if inside:
            mean_p = sum(entry.p for entry in inside) / len(inside)
            bins.append(FieldBin(p_from=low, p_to=high, mean_p=mean_p, share=_share(inside)))
    return bins
