"""The reliability diagram and the risk-coverage curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edge.bundle.calibration import probabilities
from train.evaluation.pictures import draw_reliability, draw_risk_coverage


def axes() -> Axes:
    return Figure(figsize=(6, 4)).add_subplot()


def test_reliability_names_both_calibration_errors_and_draws_the_filled_bins() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (200, 4)).astype(np.float32)
    drawn = axes()
    draw_reliability(drawn, probabilities(logits, 1.0), probabilities(logits, 2.0), logits.argmax(axis=1))
    legend = drawn.get_legend()
    assert legend is not None
    before, after = (text.get_text() for text in legend.get_texts())
    assert before.startswith("before: ECE ") and after.startswith("after: ECE ") and before[6:] != after[5:]


def test_one_photograph_can_be_drawn(tmp_path: Path) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    draw_reliability(left, np.array([[0.9, 0.1]]), np.array([[0.8, 0.2]]), np.array([1]))
    draw_risk_coverage(right, np.array([0.9]), np.array([False]), {0.02: 0.95})
    figure.savefig(tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 5000


def test_promises_are_marked_where_their_thresholds_take_the_curve() -> None:
    drawn = axes()
    right = np.array([True, True, False, True])
    draw_risk_coverage(drawn, np.array([0.9, 0.8, 0.7, 0.6]), right, {0.01: 0.75, 0.05: 0.5, 0.02: 0.99})
    legend = drawn.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "at most 1 % promised: 50 % sorted, 0.0 % of it wrong",
        "at most 5 % promised: 100 % sorted, 25.0 % of it wrong",
        "at most 2 % promised: 0 % sorted, 0.0 % of it wrong",
    ]
    assert [line.get_xdata()[0] for line in drawn.lines[1:]] == [50.0, 100.0, 0.0]


def test_a_bundle_without_promises_is_drawn_without_a_legend() -> None:
    drawn = axes()
    draw_risk_coverage(drawn, np.array([0.9, 0.8]), np.array([True, False]), {})
    assert drawn.get_legend() is None
    assert drawn.lines[0].get_ydata().tolist() == [0.0, 50.0]
