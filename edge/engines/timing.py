"""Engines side by side: in one run, in turns, so that whatever else the machine does slows them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

BLOCK = 5
"""Measured calls in a row before the next one's turn. The call before them is not measured: it fetches its weights into
the caches again."""
PAUSE_S = 0.2
"""Before each turn: the idle threads of the engine before go on spinning for so long, on the cores of the next."""

Call = Callable[[], object]


@dataclass(frozen=True)
class Latency:
    """Of one call, milliseconds, over `calls` of them."""

    median_ms: float
    p90_ms: float
    calls: int


def latency_of(seconds: Sequence[float]) -> Latency:
    """Median and 90th percentile of what calls took."""
    median, p90 = np.percentile(seconds, [50, 90])
    return Latency(1000 * float(median), 1000 * float(p90), len(seconds))


def in_turns(
    calls: Mapping[str, Call],
    *,
    rounds: int,
    what: str = "measuring",
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, list[float]]:
    """Seconds of each call: `rounds` times each has a block of BLOCK + 1 calls, the first of which is not counted.

    clock: gives seconds. sleep: waits for seconds, PAUSE_S before each block.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in tqdm(range(rounds), desc=what, unit="round", leave=False):
        for name, call in calls.items():
            sleep(PAUSE_S)
            call()
            for _ in range(BLOCK):
                started_s = clock()
                call()
                taken[name].append(clock() - started_s)
    return taken
