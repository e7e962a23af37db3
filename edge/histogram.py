"""Latencies as a histogram for the terminal: a row a stage, a column a bucket of a 1-2-5 scale."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

LIMITS_MS = tuple(step * 10**power for power in range(-1, 4) for step in (1, 2, 5))
"""A bucket's upper limit, milliseconds; what is above the last falls into one more."""

_BARS = " ▁▂▃▄▅▆▇█"


def buckets(samples_ms: Sequence[float]) -> list[int]:
    """How many samples fall into each bucket: up to its limit, and above the one before."""
    counts = [0] * (len(LIMITS_MS) + 1)
    for sample_ms in samples_ms:
        counts[bisect_left(LIMITS_MS, sample_ms)] += 1
    return counts


def histogram(stages_ms: Mapping[str, Sequence[float]]) -> str:
    """Stage → samples, drawn; a full block is a stage's fullest bucket."""
    counts = {stage: buckets(samples) for stage, samples in stages_ms.items()}
    width = max(map(len, counts), default=0)
    head = " " * width + "".join(f"{_short(limit):>6}" for limit in LIMITS_MS) + "  more  (ms, at most)"
    rows = [head]
    for stage, row in counts.items():
        most = max(row) or 1
        # Rounded up: what happened once among a thousand is seen.
        rows.append(stage.ljust(width) + "".join(f"{_BARS[-(-8 * n // most)]:>6}" for n in row))
    return "\n".join(line.rstrip() for line in rows)


def _short(limit_ms: float) -> str:
    return f"{limit_ms:g}"
