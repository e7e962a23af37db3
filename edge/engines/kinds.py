"""The kinds of engine that there are, those that this machine has, and in which order they are tried."""

from __future__ import annotations

from importlib import import_module

from edge.domain import Engine
from edge.engines import onnxruntime
from edge.engines.cache import EngineCache
from edge.engines.candidate import Candidate
from edge.engines.trials import recall
from edge.network import Network

ONNX_RUNTIME = {
    "onnxruntime" if provider == "cpu" else f"onnxruntime-{provider}": provider for provider in onnxruntime.PROVIDERS
}
OTHERS = {"openvino": "OpenVinoEngine", "executorch": "ExecuTorchEngine", "tensorrt": "TensorRtEngine"}
"""Module of edge.engines → its class. Imported when asked for: the libraries behind them are optional."""

KINDS = (*ONNX_RUNTIME, *OTHERS)
"""What `classify.engine` may name, in the order in which they are tried where nothing has been measured."""


def missing(kind: str, network: Network) -> str | None:
    """Why this machine has no such engine for this bundle, and what to type; None where it has."""
    if kind in ONNX_RUNTIME:
        return onnxruntime.missing(network, ONNX_RUNTIME[kind])
    why: str | None = import_module(f"edge.engines.{kind}").missing(network)
    return why


def engine_of(candidate: Candidate, network: Network, cache: EngineCache) -> Engine:
    """The candidate's engine, not open yet."""
    threads = candidate.threads
    if candidate.kind in ONNX_RUNTIME:
        provider = ONNX_RUNTIME[candidate.kind]
        return onnxruntime.OnnxRuntimeEngine(network, threads=threads, provider=provider, cache=cache)
    module = import_module(f"edge.engines.{candidate.kind}")
    engine: Engine = getattr(module, OTHERS[candidate.kind])(network, threads=threads, cache=cache)
    return engine


def order_of(wanted: str, threads: int, network: Network, cache: EngineCache) -> list[Candidate]:
    """Which engines to try, best first.

    wanted: "auto" or one of KINDS. auto takes what `tune` measured, fastest first; before anything was measured, and
    after the wanted one otherwise, come those that this machine has, ONNX Runtime first.
    """
    tuned = [trial.candidate for trial in recall(network, threads, cache) if trial.why is None]
    present = [Candidate(kind, threads) for kind in KINDS if missing(kind, network) is None]
    first = [Candidate(wanted, threads)] if wanted != "auto" else []
    if wanted in (candidate.kind for candidate in tuned):
        first = [candidate for candidate in tuned if candidate.kind == wanted][:1]
    return list(dict.fromkeys([*first, *tuned, *present]))
