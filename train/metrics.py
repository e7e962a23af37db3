"""What a checkpoint records of its validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.bundle.figures import confusion_matrix, macro_f1


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, K) → (N, K) float64 log-probabilities."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float64)


def summarise(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float]:
    """What a checkpoint records of its validation: right, total, accuracy, macro_f1, nll (mean, nats)."""
    confusion = confusion_matrix(targets, logits.argmax(axis=1), logits.shape[1])
    right, total = int(np.trace(confusion)), len(targets)
    nll = -float(log_softmax(logits)[np.arange(total), targets].mean())
    return {
        "right": right,
        "total": total,
        "accuracy": right / total,
        "macro_f1": macro_f1(confusion),
        "nll": nll,
    }
