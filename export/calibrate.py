"""From validation logits to the numbers the bin decides by: temperature, acceptance, novelty.

numpy only: the exporter calibrates the model it ships (int8) on that model's own logits, without torch.

- temperature (Guo et al. 2017): probabilities are softmax(logits / temperature); the scalar of least
  validation NLL.
- acceptance: for each label, the lowest probability above which the validation photographs given that
  label are right often enough.
- novelty (Liu et al. 2020): energy = -log Σ exp(logits), at temperature 1; a picture whose energy is
  above the threshold looks like nothing seen in training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRECISION_WANTED = 0.97
ACCEPT_FLOOR = 0.5
ACCEPT_CAP = 0.95
NOVELTY_QUANTILE = 0.98
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found; goes into a bundle's manifest."""

    temperature: float
    """softmax(logits / temperature)"""
    acceptance: tuple[float, ...]
    """(K,) calibrated probability from which a prediction of each label is accepted, in label order"""
    novelty_energy: float
    """a picture with -logsumexp(logits) above this is novel"""
    novelty_quantile: float
    """the share of validation photographs that are not"""
    nll_before: float
    """mean validation NLL at temperature 1, nats"""
    nll_after: float
    """the same at `temperature`"""


def calibrate(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> Calibration:
    """Calibrate on validation logits (N, K) float32 and their true classes (N,) int64.

    Raises:
        ValueError: the shapes do not fit, or a logit is not finite.
    """
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or not len(targets):
        raise ValueError(f"expected logits (N, K) and targets (N,), found {logits.shape} and {targets.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("a logit is not finite: the model is broken")
    temperature = best_temperature(logits, targets)
    return Calibration(
        temperature=temperature,
        acceptance=acceptance_thresholds(probabilities(logits, temperature), targets),
        novelty_energy=float(np.quantile(energy(logits), NOVELTY_QUANTILE)),
        novelty_quantile=NOVELTY_QUANTILE,
        nll_before=nll(logits, targets, 1.0),
        nll_after=nll(logits, targets, temperature),
    )


def energy(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, K) → (N,): -logsumexp(logits). Low where the network recognises something."""
    top = logits.max(axis=1).astype(np.float64)
    return np.asarray(-(top + np.log(np.exp(logits - top[:, None]).sum(axis=1))), np.float64)


def probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """(N, K) → (N, K): softmax(logits / temperature)."""
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)


def nll(logits: NDArray[np.float32], targets: NDArray[np.int64], temperature: float) -> float:
    """Mean negative log-likelihood of the true classes, nats."""
    scaled = logits.astype(np.float64) / temperature
    top = scaled.max(axis=1)
    log_sum = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float(np.mean(log_sum - scaled[np.arange(len(targets)), targets]))


def best_temperature(
    logits: NDArray[np.float32], targets: NDArray[np.int64], low: float = 0.05, high: float = 20.0
) -> float:
    """Golden-section search in log temperature: the NLL is convex in 1/temperature, so it has one valley."""
    a, b = math.log(low), math.log(high)
    while b - a > 1e-5:
        left, right = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
        if nll(logits, targets, math.exp(left)) < nll(logits, targets, math.exp(right)):
            b = right
        else:
            a = left
    return math.exp((a + b) / 2)


def acceptance_thresholds(p: NDArray[np.float64], targets: NDArray[np.int64]) -> tuple[float, ...]:
    """(N, K) probabilities → (K,) thresholds between ACCEPT_FLOOR and ACCEPT_CAP."""
    predicted, confidence = p.argmax(axis=1), p.max(axis=1)
    return tuple(
        _acceptance_threshold(confidence[predicted == k], targets[predicted == k] == k) for k in range(p.shape[1])
    )


def _acceptance_threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The lowest threshold at which what is accepted is right in PRECISION_WANTED of cases, or the cap.

    Thresholds stand half-way between two photographs' confidences: on the spot of one, rounding would decide.
    """
    order = np.argsort(confidence)
    confidence, right = confidence[order], right[order]
    steps = [ACCEPT_FLOOR, *((confidence[:-1] + confidence[1:]) / 2)]
    for threshold in sorted(float(step) for step in steps if ACCEPT_FLOOR <= step <= ACCEPT_CAP):
        accepted = confidence >= threshold
        if accepted.any() and right[accepted].mean() >= PRECISION_WANTED:
            return threshold
    return ACCEPT_CAP
