"""Running a graph over photographs, and what is said of the answers. numpy and ONNX Runtime only."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle.figures import confusion_matrix, macro_f1, wilson_interval
from edge.bundle.manifest import Metrics, Precision
from edge.engines.onnxruntime import session_options


def open_graph(path: Path, *, threads: int = 0) -> ort.InferenceSession:
    """The graph on the CPU, run as the bin runs it. threads: intra-op; 0 takes all physical cores."""
    return ort.InferenceSession(path.read_bytes(), session_options(threads), providers=["CPUExecutionProvider"])


def logits_of(path: Path, images: NDArray[np.uint8], *, what: str) -> NDArray[np.float32]:
    """(N, size, size, 3) uint8 RGB → logits (N, K) float32, one picture at a time, as in the bin."""
    session = open_graph(path)
    rows = [
        session.run(["logits"], {"image": image[np.newaxis]})[0]  # (1, K)
        for image in tqdm(images, desc=what, unit="photo", leave=False)
    ]
    return np.asarray(np.concatenate(rows), np.float32)


def median_latencies_ms(paths: Sequence[Path], image: NDArray[np.uint8], rounds: int = 30) -> list[float]:
    """Median milliseconds for one picture (1, size, size, 3), for each graph.

    The graphs take turns, so that whatever else the machine does slows them alike: their ratio is worth more than
    either figure.
    """
    sessions = [open_graph(path) for path in paths]
    seconds: list[list[float]] = [[] for _ in paths]
    for turn in range(rounds + 3):
        for session, taken in zip(sessions, seconds, strict=True):
            started = time.perf_counter()
            session.run(None, {"image": image})
            if turn >= 3:  # the first turns allocate
                taken.append(time.perf_counter() - started)
    return [1000 * statistics.median(taken) for taken in seconds]


def right_of(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> int:
    """How many of (N, K) logits have their maximum at the target (N,)."""
    return int((logits.argmax(axis=1) == targets).sum())


def metrics(
    logits: NDArray[np.float32], targets: NDArray[np.int64], *, precision: Precision, split: str, command: str
) -> Metrics:
    """What the manifest records of logits (N, K) and targets (N,); ratios to six decimals."""
    right, total = right_of(logits, targets), len(targets)
    low, high = wilson_interval(right, total)
    f1 = macro_f1(confusion_matrix(targets, logits.argmax(axis=1), logits.shape[1]))
    return Metrics(
        precision=precision, split=split, right=right, total=total, accuracy=round(right / total, 6),
        interval95=(round(low, 6), round(high, 6)), macro_f1=round(f1, 6), command=command,
    )  # fmt: skip
