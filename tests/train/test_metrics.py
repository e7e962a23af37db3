"""What a checkpoint records of its validation."""

from __future__ import annotations

import numpy as np
import pytest

from train.metrics import summarise


def test_summary_counts_and_averages() -> None:
    logits = np.log(np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]], np.float32))
    summary = summarise(logits, np.array([0, 0, 1]))
    assert (summary["right"], summary["total"]) == (1, 3)  # a tie goes to the first class
    assert summary["nll"] == pytest.approx(-np.log([0.8, 0.4, 0.5]).mean(), rel=1e-6)
