"""How much a bin would sort by itself, how much of that would be wrong, and why it keeps back the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Manifest
from edge.decide import plain_policy
from train.evaluation.answers import Answers
from train.evaluation.figures import Share


@dataclass(frozen=True)
class Automatic:
    """Items that went through the bin's own decision, where every label is its own compartment."""

    promised: float | None
    """the contamination asked for; None takes the bundle's own acceptance"""
    min_probability: float | None
    """of that promise"""
    taken: Share
    """put into a compartment other than residual"""
    wrong: Share
    """of those, the ones in a compartment that is not theirs"""
    reasons: dict[str, int]
    """name of edge.domain.Reason → items, most first"""

    def as_dict(self) -> dict[str, Any]:
        """For evaluation.json."""
        return {
            "promised": self.promised,
            "min_probability": self.min_probability,
            "sorted": self.taken.right,
            "total": self.taken.total,
            "automatic_share": self.taken.accuracy,
            "automatic_interval_95": list(self.taken.interval_95),
            "wrong": self.wrong.right,
            "contamination": self.wrong.accuracy,
            "contamination_interval_95": list(self.wrong.interval_95),
            "reasons": self.reasons,
        }

    def __str__(self) -> str:
        kept_back = ", ".join(f"{reason} {n}" for reason, n in self.reasons.items() if reason != "CONFIDENT")
        name = "as the bundle accepts" if self.promised is None else f"at most {self.promised:.0%} promised"
        return (
            f"sorted automatically, {name}: {self.taken}\n"
            f"  wrong among the sorted: {self.wrong}\n"
            f"  kept back: {kept_back or 'none'}"
        )


def sort_automatically(
    manifest: Manifest, answers: Answers, targets: NDArray[np.int64], promised: float | None = None
) -> Automatic:
    """Decide on each picture as a bin without a site's wishes does; targets: (N,) true labels.

    Raises:
        ValueError: the bundle does not promise this.
    """
    policy = plain_policy(manifest, max_contamination=promised)
    decisions = answers.decisions(manifest, policy)
    taken = np.array([decision.compartment != policy.residual for decision in decisions])  # (N,)
    theirs = np.array(
        [decision.compartment == manifest.labels[t] for decision, t in zip(decisions, targets, strict=True)]
    )
    return Automatic(
        promised=promised,
        min_probability=next((row.min_probability for row in manifest.contamination if row.promised == promised), None),
        taken=Share(int(taken.sum()), len(taken)),
        wrong=Share(int((taken & ~theirs).sum()), int(taken.sum())),
        reasons=dict(Counter(decision.reason.name for decision in decisions).most_common()),
    )
