"""ExecuTorch: the program that runs on phones, here from Python.

A phone runs model.pte with ExecuTorch's own small runtime (docs/mobile.md). The one for Python is larger: it needs the
packages `executorch` and `torch`. Installing the first does not install the second, though its bindings load torch's
libraries, and take and give torch's tensors. It is here so that a machine with both can vouch for the file that phones
get.
"""

from __future__ import annotations

import logging
import sys
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.cache import NO_CACHE, EngineCache
from edge.errors import BundleError
from edge.network import Network

FILE = "model.pte"
"""The artefact it runs."""

_log = logging.getLogger(__name__)


def missing(network: Network) -> str | None:
    """Why ExecuTorch cannot run this bundle here; None when it can."""
    absent = [name for name in ("executorch", "torch") if find_spec(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed (pip install executorch torch)"
    artefact = network.artefacts.get(FILE)
    if artefact is None:
        return f"{network.path} has no {FILE} (python -m export executorch {network.path} BEST.PT)"
    if artefact.runtime != "executorch" or artefact.precision is None:
        return (
            f"the manifest says of {FILE}: runtime {artefact.runtime}, precision {artefact.precision}; expected "
            f"executorch with a precision (python -m export executorch {network.path} BEST.PT)"
        )
    return None


class ExecuTorchEngine:
    """Runs a bundle's model.pte on the CPU, with XNNPACK.

    threads: cannot be chosen. ExecuTorch has one pool for the whole process, as large as it thinks right; the function
        that would change it is called unsafe by its authors, and under a loaded program it ended Python by a
        segmentation fault. Where another number was asked for, opening says which one there is.
    cache: not used. model.pte is built ahead of time, and there is nothing to keep.
    """

    def __init__(self, network: Network, *, threads: int = 0, cache: EngineCache = NO_CACHE) -> None:
        artefact = network.artefacts.get(FILE)
        # Without a precision __enter__ refuses, so that what stands here is only shown in the refusal.
        self.precision: str = (artefact.precision if artefact else None) or network.precision
        self.name = f"executorch-{self.precision}"
        self._network, self._threads = network, threads
        self._program: Any = None
        self._method: Any = None

    def __enter__(self) -> ExecuTorchEngine:
        """Load the program.

        Raises:
            BundleError: no ExecuTorch, no torch, no model.pte, or one that is not a program with a bundle's input and
                outputs.
        """
        why = missing(self._network)
        if why is not None:
            raise BundleError(f"{self.name}: {why}")
        path = self._network.path / FILE
        try:
            program = _runtime().load_program(self._network.read(FILE))
            self._check(program)
            self._method = program.load_method("forward")
        except (RuntimeError, ImportError) as error:  # RuntimeError is all that its bindings raise
            raise BundleError(f"{path}: ExecuTorch cannot load it: {error}") from error
        # Kept: without its program a method ends Python at the next picture, by a segmentation fault.
        self._program = program
        self._say_threads()
        return self

    def __exit__(self, *exc: object) -> None:
        self._method = None
        self._program = None

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, size, size, 3) uint8 RGB → logits (N, K) float32, class_maps (N, K, h, w) float32.

        The program takes one picture, so that several are run one by one.
        """
        if self._method is None:
            raise RuntimeError("the engine is not open; use it in a with statement")
        answers = [self._method.execute((_tensor(image),)) for image in images]  # copies, safe from the next call
        logits, class_maps = (np.concatenate([answer[i].numpy() for answer in answers]) for i in range(2))
        return logits, class_maps

    def _check(self, program: Any) -> None:
        """Shapes and types: a program carries no names, and no labels; those the golden self-test vouches for."""
        found = "methods " + ", ".join(sorted(program.method_names))
        size_px, k = self._network.size_px, len(self._network.labels)
        if "forward" in program.method_names:
            meta = program.metadata("forward")
            inputs = [meta.input_tensor_meta(i) for i in range(meta.num_inputs())]
            outputs = [meta.output_tensor_meta(i) for i in range(meta.num_outputs())]
            found = " → ".join(", ".join(map(_described, side)) for side in (inputs, outputs))
            shapes = [(tuple(tensor.sizes()), tensor.dtype()) for tensor in (*inputs, *outputs)]
            if (
                [len(inputs), len(outputs)] == [1, 2]
                and shapes[:2] == [((1, size_px, size_px, 3), _UINT8), ((1, k), _FLOAT32)]
                and (shapes[2][0][:2], len(shapes[2][0]), shapes[2][1]) == ((1, k), 4, _FLOAT32)
            ):
                return
        raise BundleError(
            f"{self._network.path / FILE}: {found}; expected uint8 (1, {size_px}, {size_px}, 3) → float32 (1, {k}), "
            f"float32 (1, {k}, h, w): export it with python -m export executorch"
        )

    def _say_threads(self) -> None:
        from executorch.extension.pybindings.portable_lib import _threadpool_get_thread_count

        found = _threadpool_get_thread_count()
        if self._threads not in (0, found):
            _log.warning(
                "%s: runs on %d threads, %d were asked for; ExecuTorch does not let them be chosen",
                self.name, found, self._threads,
            )  # fmt: skip


# Numbers of executorch/runtime/core/portable_type/scalar_type.h.
_UINT8, _FLOAT32 = 0, 6


def _described(tensor: Any) -> str:
    name = {_UINT8: "uint8", _FLOAT32: "float32"}.get(tensor.dtype(), f"type {tensor.dtype()}")
    return f"{name} {tuple(tensor.sizes())}"


def _runtime() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import warns of its own experimental state and of torch's old functions
        from executorch.runtime import Runtime

        return Runtime.get()


def _tensor(image: NDArray[np.uint8]) -> Any:
    """(size, size, 3) → torch tensor (1, size, size, 3) over the same memory, copied only where it is read-only."""
    # The edge does not import torch. ExecuTorch has, before there was a method to make a tensor for.
    torch = sys.modules["torch"]
    return torch.from_numpy(np.require(image[np.newaxis], np.uint8, ["C_CONTIGUOUS", "WRITEABLE"]))
