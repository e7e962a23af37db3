"""TensorRT: NVIDIA GPUs, in a PC or a Jetson.

The engine is built on the machine that runs it (edge/engines/tensorrt_build.py) and kept in the engine cache. Pictures
go through page-locked memory and one CUDA stream. docs/tensorrt.md: how to install it, and what has not been run yet.

CUDA calls are those of cuda-python (package cuda-bindings), NVIDIA's own binding: each gives a tuple of a status and
what the call returns. Checked against its versions 12.9.10 and 13.4.4.
"""

from __future__ import annotations

import ctypes
import json
import logging
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.engines.cache import NO_CACHE, EngineCache, Key, key_of
from edge.engines.tensorrt_build import MAX_PICTURES, RECIPE, build, precision_of
from edge.errors import BundleError
from edge.network import Network

INSTALL = (
    "on a Jetson with JetPack 6.1 or newer: sudo apt install python3-libnvinfer, an environment made with "
    "--system-site-packages, and in it pip install 'cuda-python<13'; on a PC: pip install tensorrt cuda-python"
)
_DTYPES: dict[str, np.dtype[Any]] = {
    "image": np.dtype(np.uint8),
    "logits": np.dtype(np.float32),
    "class_maps": np.dtype(np.float32),
}
_log = logging.getLogger(__name__)


def missing(network: Network) -> str | None:
    """Why TensorRT cannot run this bundle here, and what to type; None when it can."""
    try:
        import tensorrt as trt
        from cuda.bindings import runtime as cudart
    except (ImportError, OSError) as error:  # OSError: the module is there, its shared libraries are not
        return f"the libraries are not installed ({error}); {INSTALL}"
    if int(trt.__version__.split(".")[0]) < 10:
        return f"TensorRT is {trt.__version__}, expected 10 or newer; {INSTALL}"
    try:
        count = _checked(cudart, cudart.cudaGetDeviceCount())
    except RuntimeError as error:
        return f"no NVIDIA GPU answers ({error}); nvidia-smi, on a Jetson tegrastats, tells whether its driver runs"
    if not count:
        return "this machine has no NVIDIA GPU"
    precision = precision_of(network)
    if precision == "fp16" and not hasattr(trt.BuilderFlag, "FP16"):
        return (
            f"the bundle's graph is float, and TensorRT {trt.__version__} makes no fp16 of it; "
            "pack the bundle in int8 (python -m export pack), or install tensorrt<11"
        )
    if precision not in network.precisions:
        return (
            f"the manifest's golden_tolerance has no {precision}, so that nothing could judge it; "
            "pack the bundle in int8 (python -m export pack)"
        )
    return None


class TensorRtEngine:
    """Runs a bundle's model.onnx on the first NVIDIA GPU.

    threads: not used; the work is the GPU's. cache: keeps the built engine, and what was measured while building it.
    kept: the open engine's file in the cache, None where it is kept nowhere.
    """

    def __init__(self, network: Network, *, threads: int = 0, cache: EngineCache = NO_CACHE) -> None:
        self.precision = precision_of(network)
        self.name = f"tensorrt-{self.precision}"
        self.kept: Path | None = None
        self._network, self._cache = network, cache
        self._held = ExitStack()
        self._run: Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]] | None = None

    def __enter__(self) -> TensorRtEngine:
        """Load the engine from the cache, or build it, which takes minutes; allocate its buffers.

        Raises:
            BundleError: no GPU or library, a graph that TensorRT cannot read or build, or GPU memory that is not there.
        """
        why = missing(self._network)
        if why is not None:
            raise BundleError(f"{self.name}: {why}")
        with ExitStack() as held:
            try:
                self._run = self._open(held)
            except (RuntimeError, TypeError) as error:  # TypeError: TensorRT's constructors, where CUDA does not start
                raise BundleError(f"{self.name}: {error}; is the GPU's memory free?") from error
            self._held = held.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._held.close()
        self._run = None

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, size, size, 3) uint8 RGB → logits (N, K) float32, class_maps (N, K, h, w) float32.

        Raises:
            RuntimeError: TensorRT or CUDA failed. The engine is of no use then: close it.
        """
        if self._run is None:
            raise RuntimeError("the engine is not open; use it in a with statement")
        side = self._network.size_px
        if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
            raise ValueError(f"images are (N, {side}, {side}, 3) uint8, found {images.shape} {images.dtype}")
        parts = [self._run(images[start : start + MAX_PICTURES]) for start in range(0, len(images), MAX_PICTURES)]
        logits, class_maps = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
        return logits, class_maps

    def _open(self, held: ExitStack) -> Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]:
        """What runs 1 to MAX_PICTURES pictures. Everything it holds is given back by `held`, once.

        Raises:
            BundleError, RuntimeError: see __enter__.
        """
        import tensorrt as trt
        from cuda.bindings import runtime as cudart

        log = _error_log()
        engine = self._engine(trt.Runtime(log), log, f"tensorrt {trt.__version__}", gpu(cudart))
        self._check(engine)
        context = engine.create_execution_context()
        if context is None:
            raise RuntimeError(f"TensorRT gives no execution context: {'; '.join(log.said)}")
        # What giving back returns is not looked at: after an error CUDA repeats it at every call, and the first one
        # must reach whoever asked.
        stream = _checked(cudart, cudart.cudaStreamCreate())
        held.callback(lambda: cudart.cudaStreamDestroy(stream))
        arrays: dict[str, NDArray[Any]] = {}
        devices: dict[str, int] = {}
        for name, dtype in _DTYPES.items():
            shape = (MAX_PICTURES, *tuple(engine.get_tensor_shape(name))[1:])
            size = int(np.prod(shape)) * dtype.itemsize
            host = _checked(cudart, cudart.cudaMallocHost(size))
            held.callback(cudart.cudaFreeHost, host)
            devices[name] = _checked(cudart, cudart.cudaMalloc(size))
            held.callback(cudart.cudaFree, devices[name])
            arrays[name] = np.frombuffer(memoryview((ctypes.c_char * size).from_address(host)), dtype).reshape(shape)
            if not context.set_tensor_address(name, devices[name]):
                raise RuntimeError(f"TensorRT refuses the buffer of {name}: {'; '.join(log.said)}")
        held.callback(lambda: cudart.cudaStreamSynchronize(stream))  # first of all: nothing may use the buffers then

        def copy(name: str, count: int, kind: Any) -> None:
            ends = [devices[name], arrays[name].ctypes.data]
            target, source = ends if kind == cudart.cudaMemcpyKind.cudaMemcpyHostToDevice else reversed(ends)
            _checked(cudart, cudart.cudaMemcpyAsync(target, source, arrays[name][:count].nbytes, kind, stream))

        def run(images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            count = len(images)
            arrays["image"][:count] = images
            copy("image", count, cudart.cudaMemcpyKind.cudaMemcpyHostToDevice)
            if not context.set_input_shape("image", images.shape) or not context.execute_async_v3(int(stream)):
                raise RuntimeError(f"{self.name}: TensorRT does not run {images.shape}: {'; '.join(log.said)}")
            for name in ("logits", "class_maps"):
                copy(name, count, cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost)
            _checked(cudart, cudart.cudaStreamSynchronize(stream))
            return [arrays[name][:count].copy() for name in ("logits", "class_maps")]

        return run

    def _engine(self, runtime: Any, log: Any, version: str, device: str) -> Any:
        """The engine, from the cache or built; one that TensorRT itself refuses is built again, once.

        Raises:
            BundleError: see `build`; or TensorRT refuses what it has just built.
        """
        # The labels are compared when the graph is read, and a built engine is no graph: hence they are in the key.
        options = {
            "pictures": f"1 to {MAX_PICTURES}",
            "recipe": RECIPE,
            "labels": json.dumps(list(self._network.labels)),
        }
        key = key_of(self._network, version, device=device, precision=self.precision, options=options)
        plan = self._cache.load(key, ".engine")
        engine = None if plan is None else runtime.deserialize_cuda_engine(plan)
        if engine is not None:
            self.kept = self._cache.path(key, ".engine")
            return engine
        if plan is not None:
            _log.warning(
                "%s: TensorRT refuses what is in the cache, building again: %s", self.name, "; ".join(log.said)
            )
        measured = Key("any model", version, device, "any", ())  # one timing cache for all bundles of this machine
        plan, timings = build(self._network, log, _progress(), self._cache.load(measured, ".timings") or b"")
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BundleError(
                f"{self._network.model_path}: {version} refuses the engine it has just built: {'; '.join(log.said)}; "
                "is the GPU's memory free?"
            )
        try:
            self._cache.store(measured, ".timings", timings)
            self.kept = self._cache.store(key, ".engine", plan)
        except OSError as error:
            _log.warning("%s: cannot keep the engine, the next start builds it again: %s", self._cache.folder, error)
        return engine

    def _check(self, engine: Any) -> None:
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        found = {name: (engine.get_tensor_dtype(name).name, *tuple(engine.get_tensor_shape(name))) for name in names}
        side, labels = self._network.size_px, len(self._network.labels)
        maps = found.get("class_maps", ())[-2:]  # their size is the network's own
        expected = {"image": ("UINT8", -1, side, side, 3), "logits": ("FLOAT", -1, labels)}
        if found != {**expected, "class_maps": ("FLOAT", -1, labels, *maps)} or min(maps) < 1:
            raise BundleError(
                f"{self._network.model_path}: inputs and outputs {found}; expected {expected} and class_maps: "
                "export it with python -m export"
            )


def gpu(cudart: Any) -> str:
    """The first GPU, with all that an engine depends on: model, compute capability, its size, and the driver's CUDA."""
    properties = _checked(cudart, cudart.cudaGetDeviceProperties(0))
    driver = _checked(cudart, cudart.cudaDriverGetVersion())
    name = properties.name.decode(errors="replace").rstrip("\0")
    return (
        f"{name}, compute capability {properties.major}.{properties.minor}, "
        f"{properties.multiProcessorCount} multiprocessors, CUDA driver {driver // 1000}.{driver % 1000 // 10}"
    )


def _checked(cudart: Any, answer: tuple[Any, ...]) -> Any:
    """What a CUDA call returned.

    Raises:
        RuntimeError: it failed; with CUDA's own words.
    """
    status, *values = answer
    if status != cudart.cudaError_t.cudaSuccess:
        raise RuntimeError(f"CUDA: {cudart.cudaGetErrorString(status)[1].decode()} ({status.name})")
    return values[0] if values else None


def _error_log() -> Any:
    """A TensorRT logger that keeps the newest errors in `said` and prints nothing."""
    import tensorrt as trt

    class ErrorLog(trt.ILogger):  # type: ignore[misc]  # tensorrt carries no types
        def __init__(self) -> None:
            super().__init__()
            self.said: deque[str] = deque(maxlen=5)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                self.said.append(msg)

    return ErrorLog()


def _progress() -> Any:
    """TensorRT's phases as bars on a terminal. Ctrl-C sets `cancelled`: an exception must not leave a callback."""
    import tensorrt as trt

    class Progress(trt.IProgressMonitor):  # type: ignore[misc]  # tensorrt carries no types
        def __init__(self) -> None:
            super().__init__()
            self.cancelled = False
            self._bars: dict[str, tqdm[Any]] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            try:
                self._bars[phase_name] = tqdm(total=num_steps, desc=phase_name, unit="step", leave=False, disable=None)
            except KeyboardInterrupt:
                self.cancelled = True

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                if phase_name in self._bars:
                    self._bars[phase_name].update()
            except KeyboardInterrupt:
                self.cancelled = True
            return not self.cancelled

        def phase_finish(self, phase_name: str) -> None:
            try:
                if phase_name in self._bars:
                    self._bars.pop(phase_name).close()
            except KeyboardInterrupt:
                self.cancelled = True

    return Progress()
