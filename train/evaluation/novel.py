"""Does a bundle notice what is not waste? Energy of the project's own pictures of other things (novel_pictures.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Manifest
from edge.bundle.calibration import energy
from edge.decide import plain_policy
from train.evaluation.answers import Answers
from train.evaluation.figures import Share


@dataclass(frozen=True)
class Novelty:
    """One kind of thing that is not waste, beside the photographs of waste."""

    kind: str
    auroc: float
    """probability that such a picture has a higher energy than a photograph of waste; 0.5 is chance"""
    novel: Share
    """pictures above the bundle's threshold"""
    kept_back: Share
    """pictures that the bin's decision leaves in residual, for whatever reason"""

    def as_dict(self) -> dict[str, Any]:
        """For evaluation.json."""
        return {
            "auroc": self.auroc,
            "novel": self.novel.right,
            "kept_back": self.kept_back.right,
            "total": self.novel.total,
            "novel_interval_95": list(self.novel.interval_95),
            "kept_back_interval_95": list(self.kept_back.interval_95),
        }

    def __str__(self) -> str:
        return (
            f"AUROC {self.auroc:.3f}, novel {self.novel.right}/{self.novel.total}, "
            f"kept back {self.kept_back.right}/{self.kept_back.total}"
        )


ALL = "all"


def novelty(manifest: Manifest, waste: Answers, others: Mapping[str, Answers]) -> list[Novelty]:
    """The figures of each kind of picture, and of all together, named ALL and first."""
    together = Answers(
        np.concatenate([answers.logits for answers in others.values()]),
        np.concatenate([answers.class_maps for answers in others.values()]),
    )
    return [_of_kind(manifest, waste, kind, answers) for kind, answers in {ALL: together, **others}.items()]


def _of_kind(manifest: Manifest, waste: Answers, kind: str, answers: Answers) -> Novelty:
    policy = plain_policy(manifest)
    scores, total = energy(answers.logits), len(answers.logits)
    kept_back = [decision.compartment == policy.residual for decision in answers.decisions(manifest, policy)]
    return Novelty(
        kind=kind,
        auroc=auroc(scores, energy(waste.logits)),
        novel=Share(int((scores > manifest.novelty.threshold).sum()), total),
        kept_back=Share(sum(kept_back), total),
    )


def auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Area under the ROC curve: the probability that a positive scores above a negative, ties counting half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left") + np.searchsorted(ordered, positive, side="right")
    return float(below.mean() / (2 * len(ordered)))
