"""An engine's process as on a bin, which answers wrongly once it got SIGUSR1."""

from __future__ import annotations

import signal

import numpy as np
from numpy.typing import NDArray

from edge.engines import worker

OFF_BY = 5.0
"""Logits; far more than any golden tolerance."""


def main() -> None:
    wrong = False

    def on_signal(*_: object) -> None:
        nonlocal wrong
        wrong = True

    def spoil(logits: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.roll(logits, 1, axis=1) + np.float32(OFF_BY) if wrong else logits

    signal.signal(signal.SIGUSR1, on_signal)
    worker.main(spoil)


if __name__ == "__main__":
    main()
