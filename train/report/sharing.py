"""What share of photographs could be sorted automatically, at what contamination."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from edge.bundle.calibration import expected_calibration_error, probabilities, promise_threshold
from train.evaluation.figures import Share
from train.evaluation.pictures import draw_reliability, draw_risk_coverage
from train.report.part import Part

PROMISES = (0.01, 0.02, 0.05)
"""Contamination (share of wrong items among those sorted automatically) that a bin may promise."""


@dataclass(frozen=True)
class Promise:
    """What a threshold found on validation does to a part. Without one the shares are None."""

    promised: float
    min_probability: float | None
    accepted: Share | None
    """photographs at or above the threshold, of all"""
    wrong: Share | None
    """misclassified ones among them"""


def keep_promises(validation: Part, part: Part) -> list[Promise]:
    """A threshold on the calibrated probability for each of PROMISES, from validation, applied to `part`."""
    right, confidence = validation.evaluation.right, validation.p.max(axis=1)
    return [_keep(part, promised, promise_threshold(confidence, right, promised)) for promised in PROMISES]


def _keep(part: Part, promised: float, threshold: float | None) -> Promise:
    if threshold is None:
        return Promise(promised, None, None, None)
    accepted = part.p.max(axis=1) >= threshold
    wrong = accepted & ~part.evaluation.right
    return Promise(
        promised,
        threshold,
        Share(int(accepted.sum()), len(accepted)),
        Share(int(wrong.sum()), int(accepted.sum())),
    )


def calibration_errors(part: Part) -> tuple[float, float]:
    """Expected calibration error before and after temperature scaling, 0..1."""
    targets = part.photos.targets
    before = probabilities(part.outputs.logits, 1.0)
    return expected_calibration_error(before, targets), expected_calibration_error(part.p, targets)


def reliability_figure(part: Part) -> Figure:
    """The reliability diagram of a part, before and after temperature scaling."""
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    draw_reliability(figure.add_subplot(), probabilities(part.outputs.logits, 1.0), part.p, part.photos.targets)
    return figure


def coverage_figure(validation: Part, part: Part) -> Figure:
    """The risk-coverage curve of a part (El-Yaniv and Wiener 2010), the thresholds of PROMISES marked."""
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    kept = keep_promises(validation, part)
    least = {promise.promised: promise.min_probability for promise in kept if promise.min_probability is not None}
    draw_risk_coverage(figure.add_subplot(), part.p.max(axis=1), part.evaluation.right, least)
    return figure
