"""ONNX Runtime: the engine that every machine has."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.errors import BundleError


class OnnxRuntimeEngine:
    """Runs a bundle's model.onnx on the CPU.

    threads: intra-op threads; 0 lets ONNX Runtime take all physical cores.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        self.name = f"onnxruntime-{bundle.manifest.precision}"
        self._bundle = bundle
        self._threads = threads
        self._session: ort.InferenceSession | None = None

    def __enter__(self) -> OnnxRuntimeEngine:
        """Load the graph.

        Raises:
            BundleError: not an ONNX graph, not a bundle's inputs and outputs, or other labels than the manifest's.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3  # errors only: a warning per fused node helps nobody
        path = self._bundle.model_path
        try:
            session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BundleError(f"{path}: ONNX Runtime cannot load it: {error}") from error
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

    def _check(self, session: ort.InferenceSession) -> None:
        inputs = [node.name for node in session.get_inputs()]
        outputs = [node.name for node in session.get_outputs()]
        path, manifest = self._bundle.model_path, self._bundle.manifest
        if inputs != ["image"] or outputs != ["logits", "class_maps"]:
            raise BundleError(
                f"{path}: inputs {inputs}, outputs {outputs}; expected image → logits, class_maps: "
                "export it with python -m export"
            )
        labels = json.loads(session.get_modelmeta().custom_metadata_map.get("labels", "null"))
        if labels != manifest.labels:
            raise BundleError(
                f"{path}: its labels are {labels}, the manifest's {manifest.labels}; the bundle is mislabelled"
            )
