"""Which engine sorts: which of those that this machine has is right, and which of those is fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import psutil

from edge.bundle import Bundle, self_test
from edge.domain import Engine
from edge.engines.cache import EngineCache
from edge.engines.candidate import Candidate, NoEngine
from edge.engines.kinds import KINDS, engine_of, missing
from edge.engines.timing import in_turns, latency_of
from edge.engines.trials import Trial, remember
from edge.errors import BundleError


@contextmanager
def opened(candidate: Candidate, bundle: Bundle, cache: EngineCache) -> Iterator[tuple[Engine, float]]:
    """The candidate's engine, open and vouched for by the golden set, with its largest difference from the reference.

    Raises:
        BundleError: it is not there, cannot run the bundle, or (GoldenMismatch) does not reproduce the golden logits.
    """
    why = missing(candidate.kind, bundle)
    if why is not None:
        raise BundleError(f"{candidate.kind}: {why}")
    with engine_of(candidate, bundle, cache) as engine:
        yield engine, self_test(engine, bundle.golden, bundle.tolerance_of(engine.precision))


@contextmanager
def first_that_works(
    candidates: Sequence[Candidate],
    bundle: Bundle,
    cache: EngineCache,
    failed: Callable[[Candidate, BundleError], None],
) -> Iterator[Engine]:
    """The first of the candidates that may sort; `failed` is told of each one before it that may not.

    Raises:
        NoEngine: none is left. Its message says of each why.
    """
    reasons = []
    for candidate in candidates:
        with ExitStack() as stack:
            try:
                engine, _ = stack.enter_context(opened(candidate, bundle, cache))
            except BundleError as error:
                failed(candidate, error)
                reasons.append(f"  {error}")
                continue
            yield engine
            return
    raise NoEngine(
        "\n".join([f"{bundle.path}: no engine of this machine may sort with it; nothing is sorted", *reasons])
    )


def candidates_of(threads: int, bundle: Bundle) -> list[Candidate]:
    """What `tune` measures: all kinds, on `threads` threads; 0: each on one, on every physical and every logical core.

    ExecuTorch and TensorRT choose for themselves.
    """
    cores = {1, psutil.cpu_count(logical=False) or 1, psutil.cpu_count() or 1}
    counts = [threads] if threads else sorted(cores)
    found = []
    for kind in KINDS:
        fixed = kind in ("executorch", "tensorrt", "onnxruntime-cuda", "onnxruntime-tensorrt")
        found += [Candidate(kind, 0)] if fixed or missing(kind, bundle) else [Candidate(kind, n) for n in counts]
    return found


def tune(bundle: Bundle, *, threads: int, cache: EngineCache, rounds: int = 8) -> list[Trial]:
    """Measure every candidate on the golden pictures, one at a time, in turns, and remember the result.

    Returns the trials: those that may sort, fastest first, then the others with the reason.
    """
    trials, image = [], bundle.golden.images[:1]
    with ExitStack() as stack:
        engines: dict[Candidate, tuple[Engine, float]] = {}
        for candidate in candidates_of(threads, bundle):
            try:
                engines[candidate] = stack.enter_context(opened(candidate, bundle, cache))
            except BundleError as error:
                trials.append(Trial(candidate, why=str(error)))
        calls = {str(candidate): partial(engine.infer, image) for candidate, (engine, _) in engines.items()}
        taken = in_turns(calls, rounds=rounds, what="engines")
        for candidate, (engine, difference) in engines.items():
            latency = latency_of(taken[str(candidate)])
            trials.append(Trial(candidate, engine.precision, difference, latency.median_ms, latency.p90_ms))
    trials.sort(key=lambda trial: np.inf if trial.median_ms is None else trial.median_ms)
    remember(trials, bundle, threads, cache)
    return trials
