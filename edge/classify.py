"""From pictures of one item to a prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, to_input
from edge.domain import Engine, Prediction, RgbImage


class Classifier:
    """A bundle and the engine that runs it.

    away: gives the reason why the engine cannot be asked now, or None. An engine in this process always can.
    """

    def __init__(self, bundle: Bundle, engine: Engine, away: Callable[[], str | None] = lambda: None) -> None:
        self.bundle = bundle
        self.away = away
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        return self._engine

    @property
    def engine_name(self) -> str:
        return self._engine.name

    def prepare(self, crops: Sequence[RgbImage]) -> NDArray[np.uint8]:
        """N pictures of any size, each (H, W, 3) uint8 RGB → (N, size, size, 3) uint8."""
        return np.stack([to_input(crop, self.bundle.manifest.preprocessing) for crop in crops])

    def predict(self, images: NDArray[np.uint8]) -> Prediction:
        """(N, size, size, 3) uint8, N pictures of the same item → one prediction.

        Probabilities are averaged: one frame with wild logits then weighs no more than the others.
        Pictures go through one at a time, since that is the batch the golden self-test has vouched for.

        Raises:
            EngineAway: the engine gives no answer now.
        """
        started_s = time.perf_counter()
        outputs = [self._engine.infer(image[np.newaxis]) for image in images]
        latency_s = time.perf_counter() - started_s
        logits = np.concatenate([logits for logits, _ in outputs]).astype(np.float64)  # (N, K)
        class_maps = np.concatenate([maps for _, maps in outputs])  # (N, K, h, w)
        manifest = self.bundle.manifest
        return Prediction(
            labels=tuple(manifest.labels),
            probabilities=softmax(logits / manifest.temperature).mean(axis=0).astype(np.float32),
            class_maps=class_maps.mean(axis=0),
            novelty=float(energy(logits).mean()),
            engine=self._engine.name,
            latency_s=latency_s,
        )


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) → (N, K), rows sum to 1."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def energy(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) → (N,): -logsumexp, higher is less like the training set (Liu et al. 2020, arXiv:2010.03759)."""
    peak = logits.max(axis=1)
    return np.asarray(-(peak + np.log(np.exp(logits - peak[:, np.newaxis]).sum(axis=1))))
