"""OpenVINO: the int8 graph on Intel's processors, and on 64-bit ARM.

It reads the bundle's model.onnx itself, and its CPU plugin turns the graph's QuantizeLinear/DequantizeLinear pairs into
int8 kernels. The hints used here are described in OpenVINO's documentation, "High-level Performance Hints".
"""

from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.cache import NO_CACHE, EngineCache, Key, int8_saturates, key_of
from edge.errors import BundleError
from edge.network import MODEL, Network

_INPUTS, _OUTPUTS = ["image"], ["logits", "class_maps"]
_log = logging.getLogger(__name__)


def missing(network: Network) -> str | None:
    """Why OpenVINO cannot run this bundle here; None when it can."""
    return None if find_spec("openvino") else "the library is not installed (pip install openvino)"


class OpenVinoEngine:
    """Runs a bundle's model.onnx on the CPU.

    threads: 0 lets OpenVINO choose, which is one for each physical core.
    cache: keeps the compiled model, which shortens opening to about a fifth.
    """

    def __init__(self, network: Network, *, threads: int = 0, cache: EngineCache = NO_CACHE) -> None:
        self.precision: str = network.precision
        self.name = f"openvino-{self.precision}"
        self._network, self._threads, self._cache = network, threads, cache
        self._request: Any = None

    def __enter__(self) -> OpenVinoEngine:
        """Load the compiled model from the cache, or compile it for one picture at a time.

        Raises:
            BundleError: OpenVINO is absent, or model.onnx is not a graph it can run, has not a bundle's inputs and
                outputs, or carries other labels than the manifest's.
        """
        why = missing(self._network)
        if why is not None:
            raise BundleError(f"{self.name}: {why}")
        import openvino

        core, key = openvino.Core(), self._key(openvino.__version__)
        compiled = self._kept(core, key)
        if compiled is None:
            compiled = self._built(core, key)
        self._request = compiled.create_infer_request()
        return self

    def __exit__(self, *exc: object) -> None:
        self._request = None

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, size, size, 3) uint8 RGB → logits (N, K) float32, class_maps (N, K, h, w) float32.

        The graph is compiled for one picture, so that several are run one by one.
        """
        if self._request is None:
            raise RuntimeError("the engine is not open; use it in a with statement")
        # share_outputs: OpenVINO's default gives copies; a view would change with the next picture.
        answers = [self._request.infer({"image": image[np.newaxis]}, share_outputs=False) for image in images]
        logits, class_maps = (np.concatenate([answer[name] for answer in answers]) for name in _OUTPUTS)
        return logits, class_maps

    def _options(self) -> dict[str, Any]:
        # OpenVINO's int8 kernels have no exact form for such a processor; without them the same graph runs in float32.
        exact = {"LP_TRANSFORMS_MODE": "NO"} if int8_saturates() else {}
        return exact | {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self._threads,
            # What is not int8 stays float32: by default it becomes bfloat16 or float16 where the processor has them,
            # so that each processor would give other logits. It is 1 % of the work.
            "INFERENCE_PRECISION_HINT": "f32",
        }

    def _key(self, version: str) -> Key:
        # The labels are compared when the graph is read, and a compiled model is not a graph. With them in the key, a
        # manifest with other labels finds nothing in the cache and has the graph read again.
        options = {name: str(value) for name, value in self._options().items()}
        options["labels"] = json.dumps(list(self._network.labels))
        return key_of(self._network, f"openvino {version}", options=options)

    def _kept(self, core: Any, key: Key) -> Any:
        """The compiled model from the cache; None where there is none that can be used."""
        content = self._cache.load(key, ".blob")
        if content is None:
            return None
        try:
            return core.import_model(content, "CPU", self._options())
        except RuntimeError as error:  # its only error; the same version, built elsewhere, may refuse what is intact
            _log.warning("%s: OpenVINO refuses what is in the cache, compiling again: %s", self.name, error)
            return None

    def _built(self, core: Any, key: Key) -> Any:
        """The compiled model from the bundle's graph; kept in the cache."""
        size_px = self._network.size_px
        try:
            model = core.read_model(self._network.read(MODEL))
            self._check(model)
            model.reshape({"image": [1, size_px, size_px, 3]})
            compiled = core.compile_model(model, "CPU", self._options())
        except RuntimeError as error:
            raise BundleError(f"{self._network.model_path}: OpenVINO cannot load it: {error}") from error
        if self._cache.folder is not None:
            try:
                self._cache.store(key, ".blob", compiled.export_model().getvalue())
            except OSError as error:  # a full or read-only disk costs the next start half a second, and no more
                _log.warning("%s: cannot keep the compiled model: %s", self._cache.folder, error)
        return compiled

    def _check(self, model: Any) -> None:
        """Names and labels. OpenVINO puts the ONNX file's key/value notes under "framework"."""
        inputs, outputs = ([port.get_any_name() for port in ports] for ports in (model.inputs, model.outputs))
        path, expected = self._network.model_path, list(self._network.labels)
        if inputs != _INPUTS or outputs != _OUTPUTS:
            raise BundleError(
                f"{path}: inputs {inputs}, outputs {outputs}; expected image → logits, class_maps: "
                "export it with python -m export"
            )
        note = ["framework", "labels"]
        try:
            labels = json.loads(model.get_rt_info(note).value) if model.has_rt_info(note) else None
        except (ValueError, RecursionError) as error:  # not UTF-8, not JSON
            raise BundleError(f"{path}: its labels cannot be read ({error}); the file was changed") from None
        if labels != expected:
            raise BundleError(f"{path}: its labels are {labels}, the manifest's {expected}; the bundle is mislabelled")
