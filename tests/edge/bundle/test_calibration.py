"""Temperature, calibration error, risk and coverage, and thresholds that keep a promise."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bundle.calibration import (
    best_temperature,
    energy,
    expected_calibration_error,
    nll,
    probabilities,
    promise_threshold,
    reliability,
    risk_coverage,
)


def drawn(scale: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 4) whose softmax is the truth, then multiplied by `scale`: the right temperature is `scale`."""
    rng = np.random.default_rng(7)
    honest = rng.normal(0, 2.5, (n, 4))
    p = probabilities(honest.astype(np.float32), 1.0)
    targets = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return (honest * scale).astype(np.float32), np.minimum(targets, 3)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_temperature_undoes_over_and_underconfidence(scale: float) -> None:
    assert best_temperature(*drawn(scale)) == pytest.approx(scale, rel=0.07)


def test_no_neighbouring_temperature_is_better() -> None:
    logits, targets = drawn(2.0)
    found = best_temperature(logits, targets)
    least = nll(logits, targets, found)
    assert least < nll(logits, targets, 1.0)
    assert all(least <= nll(logits, targets, found * factor) for factor in (0.97, 1.03))


def test_energy_does_not_overflow() -> None:
    assert energy(np.zeros((1, 4), np.float32))[0] == pytest.approx(-np.log(4))
    assert energy(np.full((1, 4), 1000, np.float32))[0] == pytest.approx(-1000 - np.log(4))


def sure(*confidences: float) -> np.ndarray:
    """(N, 2) probabilities whose best label is label 0, with these confidences."""
    return np.array([[p, 1 - p] for p in confidences])


def test_calibration_error_is_the_mean_gap_of_confidence_and_accuracy() -> None:
    p, targets = sure(0.91, 0.91, 0.91, 0.91, 0.61), np.array([0, 0, 0, 1, 0])
    # four photographs at 0.91 of which 0.75 are right, one at 0.61 that is right
    assert expected_calibration_error(p, targets, bins=10) == pytest.approx((4 * 0.16 + 0.39) / 5)
    assert expected_calibration_error(sure(1.0, 1.0), np.array([0, 0])) == 0.0
    assert expected_calibration_error(sure(1.0, 1.0), np.array([1, 1])) == 1.0


def test_calibration_error_falls_to_chance_at_the_right_temperature() -> None:
    logits, targets = drawn(3.0)
    assert expected_calibration_error(probabilities(logits, 1.0), targets) > 0.05
    assert expected_calibration_error(probabilities(logits, 3.0), targets) < 0.02


def test_a_bin_holds_its_upper_edge_and_empty_bins_are_not_numbers() -> None:
    found = reliability(sure(0.6, 0.7, 0.8), np.array([0, 1, 0]), bins=5)
    assert found.edges == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert found.count.tolist() == [0, 0, 1, 2, 0]
    assert found.accuracy[2:4].tolist() == [1.0, 0.5] and found.confidence[3] == pytest.approx(0.75)
    assert np.isnan(found.accuracy[[0, 1, 4]]).all() and np.isnan(found.confidence[[0, 1, 4]]).all()


def test_risk_and_coverage_begin_with_the_surest() -> None:
    coverage, contamination = risk_coverage(np.array([0.5, 0.9, 0.7, 0.8]), np.array([False, True, False, True]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert contamination == pytest.approx([0, 0, 1 / 3, 0.5])


def test_threshold_stands_half_way_to_the_first_photograph_that_would_break_the_promise() -> None:
    confidence, right = np.linspace(0.99, 0.50, 50), np.ones(50, np.bool_)  # 0.99, 0.98 … 0.50
    right[40] = False  # at 0.59
    # One in twenty: nineteen right ones promise it, 2 / 42 keeps it, all 50 with one wrong too.
    assert promise_threshold(confidence, right, 0.05) == pytest.approx(0.50, abs=1e-6)
    right[45] = False  # at 0.54: 3 / 47 does not
    assert promise_threshold(confidence, right, 0.05) == pytest.approx(0.545)


def test_a_promise_needs_so_many_photographs_as_it_says() -> None:
    confidence, right = np.linspace(0.99, 0.90, 48), np.ones(48, np.bool_)
    assert promise_threshold(confidence, right, 0.02) is None
    enough = promise_threshold(np.append(confidence, 0.89), np.append(right, True), 0.02)
    assert enough is not None and 0.889 < enough < 0.89
    assert promise_threshold(np.zeros(0), np.zeros(0, np.bool_), 0.02) is None


def test_no_threshold_parts_photographs_of_one_confidence() -> None:
    confidence = np.array([0.9] * 19 + [0.8] * 2 + [0.7] * 2)
    right = np.array([True] * 20 + [False] + [True] * 2)
    # With the right one of the two at 0.8 the promise would hold, but its wrong twin comes with it.
    found = promise_threshold(confidence, right, 0.05)
    assert found == pytest.approx(0.85)
    shuffled = np.random.default_rng(0).permutation(len(right))
    assert promise_threshold(confidence[shuffled], right[shuffled], 0.05) == found


def test_confidences_that_float32_cannot_tell_apart_are_the_same() -> None:
    confidence = np.append(np.full(30, 1.0), 1.0 - 1e-9)
    right = np.append(np.ones(30, np.bool_), False)
    assert promise_threshold(confidence, right, 0.05) is None


@pytest.mark.parametrize("promised", [0.02, 0.05])
def test_the_promise_is_kept_in_the_mean_over_validation_sets(promised: float) -> None:
    rng = np.random.default_rng(0)

    def draw(n: int) -> np.ndarray:
        """Confidences that are true: most of them high, so that about one item in sixteen is wrong."""
        return 1 - 0.8 * rng.beta(0.35, 4.0, n)

    everything = np.sort(draw(100_000))[::-1]
    wrong_in = np.append(0, np.cumsum(1 - everything))  # expected among the n surest
    kept, uncorrected = [], []
    for _ in range(400):
        confidence = draw(377)
        right = rng.random(377) < confidence
        found = promise_threshold(confidence, right, promised)
        assert found is not None
        _, contamination = risk_coverage(confidence, right)
        simple = np.sort(confidence)[::-1][np.flatnonzero(contamination <= promised)[-1]]
        kept.append(np.searchsorted(-everything, -found, side="right"))
        uncorrected.append(np.searchsorted(-everything, -simple, side="right"))
    assert 0.9 * promised < wrong_in[kept].sum() / np.sum(kept) <= promised
    assert wrong_in[uncorrected].sum() > wrong_in[kept].sum()
    if promised == 0.02:  # counting as if the photographs were all there is breaks it
        assert wrong_in[uncorrected].sum() / np.sum(uncorrected) > promised
