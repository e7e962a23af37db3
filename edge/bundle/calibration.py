"""From logits to probabilities that mean what they say, and to the thresholds a bin decides by.

numpy only. Shared by whoever fits these numbers (`export`) and whoever reports on them (`train`).

- temperature (Guo et al. 2017, arXiv:1706.04599): probabilities are softmax(logits / temperature); the scalar of least
  validation NLL.
- novelty (Liu et al. 2020, arXiv:2010.03759): energy = -log Σ exp(logits), at temperature 1; a picture whose energy is
  high looks like nothing seen in training.
- contamination: the share of wrong items among those sorted automatically, in the selective-prediction literature the
  selective risk (El-Yaniv and Wiener 2010); what is sorted is what has a confidence at or above a threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_DIGITS = 6
"""Confidences that agree in so many decimals are the same: float32 probabilities do not tell more apart."""
_GOLDEN = (math.sqrt(5) - 1) / 2


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
    """Mean negative log-likelihood of the true classes (N,), nats."""
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


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often a confidence is right, in B bins of equal width. NaN where a bin is empty."""

    edges: NDArray[np.float64]
    """(B + 1,) from 0 to 1; bin b is (edges[b], edges[b + 1]]"""
    confidence: NDArray[np.float64]
    """(B,) mean confidence"""
    accuracy: NDArray[np.float64]
    """(B,) share that is right"""
    count: NDArray[np.int64]
    """(B,) photographs"""


def reliability(p: NDArray[np.float64], targets: NDArray[np.int64], bins: int = 15) -> Reliability:
    """Probabilities (N, K) and true classes (N,) → the reliability diagram of the best label (Guo et al. 2017)."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == targets  # (N,), (N,)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)  # (N,)
    count = np.bincount(place, minlength=bins)
    filled = np.where(count, count, np.nan)
    return Reliability(
        edges=edges,
        confidence=np.bincount(place, confidence, minlength=bins) / filled,
        accuracy=np.bincount(place, right, minlength=bins) / filled,
        count=count,
    )


def expected_calibration_error(p: NDArray[np.float64], targets: NDArray[np.int64], bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over the photographs, by bins of equal width, 0..1 (Guo et al. 2017)."""
    diagram = reliability(p, targets, bins)
    return float(np.nansum(np.abs(diagram.confidence - diagram.accuracy) * diagram.count) / len(targets))


def risk_coverage(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N,), (N,) → coverage (N,) and contamination (N,), the surest first: what sorting the n surest would give."""
    order = np.argsort(-confidence, kind="stable")
    sorted_n = np.arange(1, len(order) + 1)
    return sorted_n / len(order), np.cumsum(~right[order]) / sorted_n


def promise_threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_], contamination: float) -> float | None:
    """The least confidence from which items may be sorted so that at most `contamination` (0..1) of them are wrong.

    The smallest threshold with (wrong + 1) / (sorted + 1) <= contamination on these N photographs: conformal risk
    control (Angelopoulos et al. 2022, arXiv:2208.02814) of the loss sorted · (wrong - contamination), which is at most
    1 - contamination. One wrong item more than was counted: the next one may be. It speaks of the mean over validation
    sets, not of each one, and of items like validation's. The theorem asks for a loss that never rises with the
    threshold, which this one does not promise; that the mean is kept all the same, a test simulates.

    Confidences count to CONFIDENCE_DIGITS decimals. The threshold stands half-way between two photographs' (on the
    spot of one, rounding would decide); where all may be sorted, just under the least sure: further down nothing was
    tried.

    Returns:
        None where no threshold will do; at least 1 / contamination - 1 photographs must be sorted for one.
    """
    rounded = np.round(confidence, CONFIDENCE_DIGITS)
    order = np.argsort(-rounded, kind="stable")
    wrong = np.cumsum(~right[order])
    steps = np.append(rounded[order], rounded.min(initial=1.0) - 10.0**-CONFIDENCE_DIGITS)  # (N + 1,) falling
    parted = steps[:-1] > steps[1:]  # no threshold stands between two of the same confidence
    kept = np.flatnonzero(parted & (wrong + 1 <= contamination * np.arange(2, len(order) + 2)))
    if not len(kept):
        return None
    return round(float(steps[kept[-1] : kept[-1] + 2].mean()), CONFIDENCE_DIGITS + 1)
