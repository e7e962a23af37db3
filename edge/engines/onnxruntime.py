"""ONNX Runtime: the engine that every machine has, with whichever of its execution providers are there."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge.engines.cache import NO_CACHE, EngineCache, Key, int8_saturates, key_of
from edge.errors import BundleError
from edge.network import MODEL, Network

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
"""Our name → ONNX Runtime's. The package on the index has the first; others come with onnxruntime-gpu,
onnxruntime-openvino, NVIDIA's builds for Jetson, or a build of one's own."""

_log = logging.getLogger(__name__)


def missing(network: Network, provider: str = "cpu") -> str | None:
    """Why ONNX Runtime cannot run this bundle with this provider here; None when it can."""
    wanted, found = PROVIDERS[provider], ort.get_available_providers()
    if wanted in found:
        return None
    package = {"cuda": "onnxruntime-gpu", "tensorrt": "onnxruntime-gpu", "openvino": "onnxruntime-openvino"}
    remedy = f"pip install {package[provider]}" if provider in package else "build ONNX Runtime with it"
    return f"this ONNX Runtime has no {wanted} ({remedy} instead of onnxruntime)"


def session_options(threads: int) -> ort.SessionOptions:
    """How a graph is run here. threads: intra-op; 0 lets ONNX Runtime take all physical cores."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if int8_saturates():  # then by exact kernels, which take twice as long
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3  # errors only: a warning per fused node helps nobody
    return options


class OnnxRuntimeEngine:
    """Runs a bundle's model.onnx.

    threads: intra-op threads; 0 lets ONNX Runtime take all physical cores.
    provider: a name of PROVIDERS. Where ONNX Runtime would fall back to the processor in silence, opening fails.
    cache: keeps the graph that the processor's provider has optimised, which halves the time to load it.
    """

    def __init__(
        self,
        network: Network,
        *,
        threads: int = 0,
        provider: str = "cpu",
        cache: EngineCache = NO_CACHE,
    ) -> None:
        self.precision: str = network.precision
        self.name = f"onnxruntime-{self.precision}" if provider == "cpu" else f"onnxruntime-{provider}-{self.precision}"
        self._network, self._threads, self._provider, self._cache = network, threads, provider, cache
        self._session: ort.InferenceSession | None = None

    def __enter__(self) -> OnnxRuntimeEngine:
        """Load the graph.

        Raises:
            BundleError: not an ONNX graph, not a bundle's inputs and outputs, other labels than the manifest's, or a
                provider that is not there.
        """
        why = missing(self._network, self._provider)
        if why is not None:
            raise BundleError(f"{self.name}: {why}")
        session = (
            self._cached()
            if self._provider == "cpu"
            else self._opened(self._network.read(MODEL), session_options(self._threads))
        )
        running = session.get_providers()[0]
        if running != PROVIDERS[self._provider]:
            raise BundleError(
                f"{self.name}: ONNX Runtime fell back to {running}; its libraries for {PROVIDERS[self._provider]} "
                "are incomplete"
            )
        self._check(session)
        self._session = session
        return self

    def __exit__(self, *exc: object) -> None:
        self._session = None

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, size, size, 3) uint8 RGB → logits (N, K) float32, class_maps (N, K, h, w) float32."""
        if self._session is None:
            raise RuntimeError("the engine is not open; use it in a with statement")
        logits, class_maps = self._session.run(["logits", "class_maps"], {"image": images})
        return logits, class_maps

    def _cached(self) -> ort.InferenceSession:
        """A session from the optimised graph in the cache, or from the bundle's, whose optimised form is then kept."""
        key = key_of(self._network, f"onnxruntime {ort.__version__}")
        kept = self._cache.load(key, ".onnx")
        if kept is None:
            if self._cache.folder is None:
                return self._opened(self._network.read(MODEL), session_options(self._threads))
            kept = self._optimised()
            self._keep(key, kept)
        options = session_options(self._threads)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # it has been through them
        return self._opened(kept, options)

    def _optimised(self) -> bytes:
        """The graph as ONNX Runtime would run it here. The session that made it is let go: it holds 17 MB more."""
        with tempfile.TemporaryDirectory(prefix="smartbin-onnx-") as folder:
            optimised = Path(folder) / "optimised.onnx"
            options = session_options(self._threads)
            options.optimized_model_filepath = str(optimised)
            self._opened(self._network.read(MODEL), options)
            return optimised.read_bytes()

    def _keep(self, key: Key, content: bytes) -> None:
        try:
            self._cache.store(key, ".onnx", content)
        except OSError as error:  # a full or read-only disk costs the next start some time, and no more
            _log.warning("%s: cannot keep the optimised graph: %s", self._cache.folder, error)

    def _opened(self, graph: bytes, options: ort.SessionOptions) -> ort.InferenceSession:
        try:
            # Without enable_fallback=0 a provider that fails is replaced by the processor's, in silence.
            session = ort.InferenceSession(graph, options, providers=[self._provider_options()], enable_fallback=0)
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            raise BundleError(f"{self._network.model_path}: ONNX Runtime cannot load it: {error}") from error
        # It keeps the file's bytes, 24 MB, to open them again with other providers, which nobody asks it to do.
        session._model_bytes = None
        return session

    def _provider_options(self) -> str | tuple[str, dict[str, Any]]:
        name = PROVIDERS[self._provider]
        if self._provider == "xnnpack":  # has threads of its own
            return name, {"intra_op_num_threads": self._threads or os.cpu_count() or 1}
        if self._provider == "openvino":
            return name, {"device_type": "CPU", **({"num_of_threads": self._threads} if self._threads else {})}
        return name

    def _check(self, session: ort.InferenceSession) -> None:
        inputs = [node.name for node in session.get_inputs()]
        outputs = [node.name for node in session.get_outputs()]
        path, expected = self._network.model_path, list(self._network.labels)
        if inputs != ["image"] or outputs != ["logits", "class_maps"]:
            raise BundleError(
                f"{path}: inputs {inputs}, outputs {outputs}; expected image → logits, class_maps: "
                "export it with python -m export"
            )
        try:
            labels = json.loads(session.get_modelmeta().custom_metadata_map.get("labels", "null"))
        except (ValueError, RecursionError) as error:  # not UTF-8, not JSON
            raise BundleError(f"{path}: its labels cannot be read ({error}); the file was changed") from None
        if labels != expected:
            raise BundleError(f"{path}: its labels are {labels}, the manifest's {expected}; the bundle is mislabelled")
