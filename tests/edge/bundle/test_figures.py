"""Counts, intervals and F1, against published values and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bundle.figures import confusion_matrix, macro_f1, per_class, wilson_interval


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    # Newcombe 1998, table I (methods 3): 81/263, 15/148, 0/20, 1/29
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_has_the_published_values(right: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_confusion_and_f1_agree_with_figures_made_by_hand() -> None:
    targets = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 0, 1, 1, 0, 1])
    confusion = confusion_matrix(targets, predicted, 3)
    assert confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 1, 0]]
    first, second, third = per_class(confusion)
    assert (first.precision, first.recall, first.f1, first.support) == (3 / 4, 3 / 4, 3 / 4, 4)
    assert (second.precision, second.recall, second.support) == (1 / 3, 1 / 2, 2)
    assert second.f1 == pytest.approx(2 / 5)
    assert (third.precision, third.recall, third.f1, third.support) == (0, 0, 0, 1)  # never predicted
    assert macro_f1(confusion) == pytest.approx((3 / 4 + 2 / 5 + 0) / 3)
