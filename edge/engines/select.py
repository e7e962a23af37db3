"""Which engine sorts: every one that this machine has, which of them is right, and which of those is fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module

import numpy as np
import psutil

from edge.bundle import Bundle, self_test
from edge.domain import Engine
from edge.engines import onnxruntime
from edge.engines.cache import EngineCache
from edge.engines.candidate import Candidate, NoEngine
from edge.engines.timing import in_turns, latency_of
from edge.engines.trials import Trial, recall, remember
from edge.errors import BundleError

ONNX_RUNTIME = {
    "onnxruntime" if provider == "cpu" else f"onnxruntime-{provider}": provider for provider in onnxruntime.PROVIDERS
}
OTHERS = {"openvino": "OpenVinoEngine", "executorch": "ExecuTorchEngine", "tensorrt": "TensorRtEngine"}
"""Module of edge.engines → its class. Imported when asked for: the libraries behind them are optional."""

KINDS = (*ONNX_RUNTIME, *OTHERS)
"""What `classify.engine` may name, in the order in which they are tried where nothing has been measured."""


def missing(kind: str, bundle: Bundle) -> str | None:
    """Why this machine has no such engine for this bundle, and what to type; None where it has."""
    if kind in ONNX_RUNTIME:
        return onnxruntime.missing(bundle, ONNX_RUNTIME[kind])
    why: str | None = import_module(f"edge.engines.{kind}").missing(bundle)
    return why


def engine_of(candidate: Candidate, bundle: Bundle, cache: EngineCache) -> Engine:
    """The candidate's engine, not open yet."""
    threads = candidate.threads
    if candidate.kind in ONNX_RUNTIME:
        provider = ONNX_RUNTIME[candidate.kind]
        return onnxruntime.OnnxRuntimeEngine(bundle, threads=threads, provider=provider, cache=cache)
    module = import_module(f"edge.engines.{candidate.kind}")
    engine: Engine = getattr(module, OTHERS[candidate.kind])(bundle, threads=threads, cache=cache)
    return engine


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


def order_of(wanted: str, threads: int, bundle: Bundle, cache: EngineCache) -> list[Candidate]:
    """Which engines to try, best first.

    wanted: "auto" or one of KINDS. auto takes what `tune` measured, fastest first; before anything was measured, and
    after the wanted one otherwise, come those that this machine has, ONNX Runtime first.
    """
    tuned = [trial.candidate for trial in recall(bundle, threads, cache) if trial.why is None]
    present = [Candidate(kind, threads) for kind in KINDS if missing(kind, bundle) is None]
    first = [Candidate(wanted, threads)] if wanted != "auto" else []
    if wanted in (candidate.kind for candidate in tuned):
        first = [candidate for candidate in tuned if candidate.kind == wanted][:1]
    return list(dict.fromkeys([*first, *tuned, *present]))


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
