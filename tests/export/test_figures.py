"""Counts, intervals and F1, against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.figures import median_latencies_ms, metrics, right_of

LOGITS = np.array([[2, 0], [2, 0], [0, 2], [2, 0]], np.float32)
TARGETS = np.array([0, 0, 1, 1])


def test_right_answers_are_counted() -> None:
    assert right_of(LOGITS, TARGETS) == 3


def test_manifests_row_holds_counts_and_command() -> None:
    row = metrics(LOGITS, TARGETS, precision="int8", split="test", command="python -m train evaluate x")
    assert (row.right, row.total, row.accuracy) == (3, 4, 0.75)
    assert row.interval95[0] < 0.75 < row.interval95[1]
    # Class 0: 2 hits, 3 named, 2 there: 4/5. Class 1: 1 hit, 1 named, 2 there: 2/3.
    assert row.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2, abs=1e-6)
    assert row.command == "python -m train evaluate x"


def test_latencies_come_in_the_order_asked(fp32_graph: Path, int8_graph: Path) -> None:
    image = np.zeros((1, 64, 64, 3), np.uint8)
    latencies = median_latencies_ms([fp32_graph, int8_graph], image, rounds=2)
    assert len(latencies) == 2 and min(latencies) > 0
