"""From validation logits to temperature and thresholds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from export.calibrate import ACCEPT_CAP, ACCEPT_FLOOR, calibrate, energy, nll, probabilities


def drawn(scale: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth, then multiplied by `scale`: the right temperature is `scale`."""
    rng = np.random.default_rng(7)
    honest = rng.normal(0, 2.5, (n, 4))
    p = probabilities(honest.astype(np.float32), 1.0)
    targets = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return (honest * scale).astype(np.float32), np.minimum(targets, 3)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_temperature_undoes_over_and_underconfidence(scale: float) -> None:
    assert calibrate(*drawn(scale)).temperature == pytest.approx(scale, rel=0.07)


def test_no_neighbouring_temperature_is_better() -> None:
    logits, targets = drawn(2.0)
    found = calibrate(logits, targets)
    assert found.nll_after <= found.nll_before
    assert all(found.nll_after <= nll(logits, targets, found.temperature * factor) for factor in (0.97, 1.03))


def test_accepted_validation_photographs_are_right_as_often_as_wanted() -> None:
    logits, targets = drawn(1.0)
    found = calibrate(logits, targets)
    p = probabilities(logits, found.temperature)
    predicted, confidence = p.argmax(axis=1), p.max(axis=1)
    for label, threshold in enumerate(found.acceptance):
        accepted = (predicted == label) & (confidence >= threshold)
        assert ACCEPT_FLOOR < threshold < ACCEPT_CAP
        assert (targets[accepted] == label).mean() >= 0.97
        # The lowest such: a little less would not do.
        wider = (predicted == label) & (confidence >= threshold - 0.02)
        assert (targets[wider] == label).mean() < 0.97


def test_a_label_that_is_always_right_is_accepted_from_the_floor_and_one_always_wrong_from_the_cap() -> None:
    logits = np.array([[2.0, 0], [3.0, 0], [0, 2.0], [0, 3.0]], np.float32)
    found = calibrate(logits, np.array([0, 0, 0, 0]))
    assert found.acceptance == (ACCEPT_FLOOR, ACCEPT_CAP)


def test_a_label_never_predicted_gets_the_cap() -> None:
    found = calibrate(np.array([[2.0, 0, -9], [0, 2.0, -9]], np.float32), np.array([0, 1]))
    assert found.acceptance[2] == ACCEPT_CAP


def test_two_in_a_hundred_validation_photographs_are_novel() -> None:
    logits, targets = drawn(1.0)
    novel = energy(logits) > calibrate(logits, targets).novelty_energy
    assert novel.mean() == pytest.approx(1 - calibrate(logits, targets).novelty_quantile, abs=0.001)
    assert novel.mean() == pytest.approx(0.02, abs=0.001)
    assert energy(np.zeros((1, 4), np.float32))[0] == pytest.approx(-np.log(4))
    assert energy(np.full((1, 4), 1000, np.float32))[0] == pytest.approx(-1000 - np.log(4))  # no overflow


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2, np.int64), "expected logits"),
        (np.zeros((0, 2)), np.zeros(0, np.int64), "expected logits"),
        (np.full((2, 2), np.nan), np.zeros(2, np.int64), "not finite"),
    ],
)
def test_unusable_logits_are_refused(logits: np.ndarray, targets: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibrate(logits.astype(np.float32), targets)


def test_calibration_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import export.calibrate"
    subprocess.run([sys.executable, "-c", code], check=True)
