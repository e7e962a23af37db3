"""What a bundle answers to pictures, and what a bin would make of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Manifest
from edge.bundle.calibration import energy, probabilities
from edge.decide import Policy, decide
from edge.domain import Decision, Engine, Prediction


@dataclass(frozen=True, eq=False)
class Answers:
    """The network's outputs for N pictures."""

    logits: NDArray[np.float32]
    """(N, K)"""
    class_maps: NDArray[np.float32]
    """(N, K, h, w)"""

    def decisions(self, manifest: Manifest, policy: Policy) -> list[Decision]:
        """Where a bin would put each picture's item, seen in one frame."""
        labels, scores = tuple(manifest.labels), energy(self.logits)
        p = probabilities(self.logits, manifest.temperature).astype(np.float32)
        return [
            decide(Prediction(labels, p_of_one, maps, float(score), "evaluation", 0.0), policy)
            for p_of_one, maps, score in zip(p, self.class_maps, scores, strict=True)
        ]


def answers_of(engine: Engine, images: Iterable[NDArray[np.uint8]]) -> Answers:
    """Inputs (size, size, 3) uint8, at least one → answers. One at a time, as in the bin: int8 kernels may round a
    batch differently."""
    rows = [engine.infer(image[np.newaxis]) for image in images]
    return Answers(np.concatenate([logits for logits, _ in rows]), np.concatenate([maps for _, maps in rows]))


def turned(image: NDArray[np.uint8]) -> Sequence[NDArray[np.uint8]]:
    """An input (size, size, 3) as it lies, turned by each quarter, and each of the four mirrored: a bin looks from
    above, where no side is up."""
    return [np.ascontiguousarray(np.rot90(side, quarter)) for side in (image, image[:, ::-1]) for quarter in range(4)]
