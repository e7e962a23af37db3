"""From validation logits to the numbers the bin decides by: temperature, acceptance, promises, novelty.

numpy only: the exporter calibrates the model it ships (int8) on that model's own logits, without torch. What the
numbers mean and where the methods come from stands in edge/bundle/calibration.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle.calibration import (
    best_temperature,
    energy,
    nll,
    probabilities,
    promise_threshold,
)
from edge.bundle.manifest import Promise

PROMISES = (0.01, 0.02, 0.05)
"""Contaminations that a bundle promises where it can."""
DEFAULT_PROMISE = 0.02
"""The one that a bundle's own acceptance keeps."""
UNPROMISED_ACCEPTANCE = 0.95
"""Acceptance of a bundle that cannot promise DEFAULT_PROMISE, for want of photographs or of accuracy."""
NOVELTY_QUANTILE = 0.98
"""Two validation photographs in a hundred count as novel, which costs next to nothing: they are unsure ones, and
acceptance keeps them back as well. On the validation photographs of model 0.1.0 any quantile from 0.95 to 0.995 sorts
the same 311 at the promised 2 %; at 5 % 0.98 sorts 349 where 0.99 sorts 350, and keeps back two hands and two plain
boards more (of 24 each, train/evaluation/novel_pictures.py)."""


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found; goes into a bundle's manifest."""

    temperature: float
    """softmax(logits / temperature)"""
    acceptance: float
    """calibrated probability from which a prediction is accepted, the same for every label"""
    promises: tuple[Promise, ...]
    """those of PROMISES that can be kept, smallest first"""
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
    temperature = round(best_temperature(logits, targets), 6)  # as it will stand in the manifest
    promises = keepable_promises(probabilities(logits, temperature), targets)
    own = [row.min_probability for row in promises if row.promised == DEFAULT_PROMISE]
    return Calibration(
        temperature=temperature,
        acceptance=own[0] if own else UNPROMISED_ACCEPTANCE,
        promises=promises,
        novelty_energy=float(np.quantile(energy(logits), NOVELTY_QUANTILE)),
        novelty_quantile=NOVELTY_QUANTILE,
        nll_before=nll(logits, targets, 1.0),
        nll_after=nll(logits, targets, temperature),
    )


def keepable_promises(p: NDArray[np.float64], targets: NDArray[np.int64]) -> tuple[Promise, ...]:
    """Calibrated probabilities (N, K) and true classes (N,) → the promises that can be kept.

    One threshold serves every label: a few dozen photographs of a label, of which one or two are wrong, do not tell
    its own threshold from chance.
    """
    confidence, right = p.max(axis=1), p.argmax(axis=1) == targets  # (N,), (N,)
    found = ((promised, promise_threshold(confidence, right, promised)) for promised in PROMISES)
    return tuple(_promise(promised, least, confidence, right) for promised, least in found if least is not None)


def _promise(promised: float, least: float, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Promise:
    accepted = confidence >= least  # (N,)
    return Promise(
        promised=promised,
        min_probability=least,
        sorted=int(accepted.sum()),
        wrong=int((accepted & ~right).sum()),
        total=len(right),
    )
