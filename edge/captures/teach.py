"""What a person should name next so that the next model learns most, and how much is enough to retrain. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, zip_longest

from edge.captures.entry import Entry
from edge.captures.messages import Why

ENOUGH = 10
"""Of each label; a floor and no promise. With ten examples of each class, fine-tuning a large pretrained network is
known to work (97 % on CIFAR-10; Kolesnikov et al. 2020, arXiv:1912.11370); with fewer it learns them by heart."""

_FIRST: dict[Why, Callable[[Entry], float]] = {
    "DISPUTED": lambda entry: -entry.seq,
    "UNCERTAIN": lambda entry: entry.p,
    "NOVEL": lambda entry: -entry.novelty,
    "MIXED": lambda entry: -entry.seq,
}
"""Why an item teaches much, and which of its kind comes first: the newest, the least sure, the strangest."""


def why_of(entry: Entry) -> Why:
    """Why it should be named. A dispute tells most: one of two models is wrong."""
    if entry.disputed:
        return "DISPUTED"
    for reason in _FIRST:
        if entry.reason == reason:
            return reason
    return "SAMPLED" if entry.sampled else "OTHER"


def teach_next(entries: Iterable[Entry]) -> list[Entry]:
    """Those that nobody has named: one of each kind in turn, then the random sample, then the rest."""
    kinds: dict[Why, list[Entry]] = {}
    for entry in entries:
        if not entry.corrected:
            kinds.setdefault(why_of(entry), []).append(entry)
    turns = zip_longest(*(sorted(kinds.get(why, []), key=key) for why, key in _FIRST.items()))
    return [
        *(entry for entry in chain.from_iterable(turns) if entry is not None),
        *kinds.get("SAMPLED", []),
        *kinds.get("OTHER", []),
    ]


def named_by_label(entries: Sequence[Entry]) -> Mapping[str, int]:
    """Label → items that a person gave it since the newest model sorts: what was named before has been learnt from.

    entries: newest first.
    """
    return Counter(entry.label for entry in entries if entry.corrected and entry.version == entries[0].version)
