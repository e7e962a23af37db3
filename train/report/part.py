"""One part of a run's split, answered by its network: what every section of the report counts on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle.calibration import nll, probabilities
from edge.bundle.figures import macro_f1
from train.data import Photos
from train.evaluation.figures import Evaluation, Share
from train.report.outputs import Outputs


@dataclass(frozen=True, eq=False)
class Part:
    """Photographs, the network's outputs for them, and the temperature that validation found."""

    name: str
    """test or validation"""
    photos: Photos
    outputs: Outputs
    temperature: float

    @property
    def evaluation(self) -> Evaluation:
        """The same as predictions."""
        return evaluation(self.photos, self.name, self.outputs.logits)

    @property
    def p(self) -> NDArray[np.float64]:
        """(N, K) probabilities, calibrated."""
        return probabilities(self.outputs.logits, self.temperature)

    @property
    def figures(self) -> dict[str, Any]:
        """The line of this part in the report's first table."""
        found = self.evaluation
        return {
            "name": self.name,
            "share": found.overall,
            "macro_f1": macro_f1(found.confusion),
            "nll": nll(self.outputs.logits, found.targets, self.temperature),
        }


def evaluation(photos: Photos, name: str, logits: NDArray[np.float32]) -> Evaluation:
    """Logits (N, K) for photographs, as predictions."""
    return Evaluation(labels=photos.labels, split_name=name, targets=photos.targets, logits=logits, seen=None)


def share(right: NDArray[np.bool_]) -> Share:
    """So many of so many: (N,) bool."""
    return Share(int(right.sum()), len(right))
