"""Counts, intervals and F1, against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.figures import macro_f1, median_latencies_ms, metrics, right_of, wilson_interval

LOGITS = np.array([[2, 0], [2, 0], [0, 2], [2, 0]], np.float32)
TARGETS = np.array([0, 0, 1, 1])


def test_right_answers_are_counted() -> None:
    assert right_of(LOGITS, TARGETS) == 3


def test_wilson_interval_has_its_known_value() -> None:
    assert wilson_interval(333, 384) == pytest.approx((0.82961, 0.89759), abs=2e-4)
    assert wilson_interval(10, 10)[1] == pytest.approx(1)
    assert wilson_interval(0, 10)[0] == pytest.approx(0)


def test_macro_f1_weighs_classes_alike() -> None:
    # Class 0: 2 hits, 3 named, 2 there: 4/5. Class 1: 1 hit, 1 named, 2 there: 2/3.
    assert macro_f1(LOGITS, TARGETS) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_a_class_neither_seen_nor_named_counts_nothing() -> None:
    assert macro_f1(np.array([[1, 0, 0]], np.float32), np.array([0])) == pytest.approx(1 / 3)


def test_manifests_row_holds_counts_and_command() -> None:
    row = metrics(LOGITS, TARGETS, precision="int8", split="test", command="python -m train evaluate x")
    assert (row.right, row.total, row.accuracy) == (3, 4, 0.75)
    assert row.interval95[0] < 0.75 < row.interval95[1]
    assert row.command == "python -m train evaluate x"


def test_latencies_come_in_the_order_asked(fp32_graph: Path, int8_graph: Path) -> None:
    image = np.zeros((1, 64, 64, 3), np.uint8)
    latencies = median_latencies_ms([fp32_graph, int8_graph], image, rounds=2)
    assert len(latencies) == 2 and min(latencies) > 0
