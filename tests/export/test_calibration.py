"""From validation logits to what the manifest says: temperature, acceptance, promises, novelty."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edge.bundle.calibration import energy, nll, probabilities
from export.calibrate import UNPROMISED_ACCEPTANCE, calibrate


def drawn(scale: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth, then multiplied by `scale`: the right temperature is `scale`."""
    rng = np.random.default_rng(7)
    honest = rng.normal(0, 2.5, (n, 4))
    p = probabilities(honest.astype(np.float32), 1.0)
    targets = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return (honest * scale).astype(np.float32), np.minimum(targets, 3)


def test_temperature_lowers_the_nll() -> None:
    logits, targets = drawn(3.0)
    found = calibrate(logits, targets)
    assert found.temperature == pytest.approx(3.0, rel=0.07)
    assert found.nll_before == pytest.approx(nll(logits, targets, 1.0))
    assert found.nll_after == pytest.approx(nll(logits, targets, found.temperature))
    assert found.nll_after < found.nll_before


def test_every_promise_is_kept_on_validation_and_counted_as_a_bin_would() -> None:
    logits, targets = drawn(1.0)
    found = calibrate(logits, targets)
    p = probabilities(logits, found.temperature).astype(np.float32)
    assert [row.promised for row in found.promises] == [0.01, 0.02, 0.05]
    for row in found.promises:
        accepted = p.max(axis=1) >= row.min_probability
        assert (row.sorted, row.total) == (accepted.sum(), len(targets))
        assert row.wrong == (p.argmax(axis=1) != targets)[accepted].sum()
        assert (row.wrong + 1) / (row.sorted + 1) <= row.promised
    first, second, third = found.promises
    assert first.min_probability > second.min_probability > third.min_probability
    assert found.acceptance == second.min_probability


def test_what_cannot_be_promised_is_left_out_and_acceptance_is_high_then() -> None:
    logits = np.array([[2.0, 0], [3.0, 0], [0, 2.0], [0, 3.0]] * 5, np.float32)
    twenty = calibrate(logits, logits.argmax(axis=1))
    assert [(row.promised, row.sorted, row.wrong) for row in twenty.promises] == [(0.05, 20, 0)]
    assert twenty.acceptance == UNPROMISED_ACCEPTANCE
    assert calibrate(logits, np.zeros(20, np.int64)).promises == ()


def test_the_quantile_says_how_many_validation_photographs_are_novel() -> None:
    logits, targets = drawn(1.0)
    found = calibrate(logits, targets)
    assert (energy(logits) > found.novelty_energy).mean() == pytest.approx(1 - found.novelty_quantile, abs=0.001)
    assert 0.9 < found.novelty_quantile < 1


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
