# ruff: noqa: A002, N802, N806, N815  # the names are the libraries'
"""A machine with an NVIDIA GPU that is none: stands in for the modules `tensorrt` and `cuda.bindings.runtime`.

It obeys the rules of both libraries as far as the engine meets them, and raises or answers as they do where a rule is
broken. Names, signatures and enums are those of the Python bindings of TensorRT 10.3.0 and 11.4.0 and of cuda-bindings
12.9.10 and 13.4.4; where they differ, `version` decides. What TensorRT computes is computed by ONNX Runtime.

Rules: a stream works when it is synchronised, not before. Device memory is no host memory. What is freed was
allocated, and is not freed already. Every tensor has an address, and the input a shape within the profile, before an
execution. Quantisation is symmetric and int8, uint8 pixels are cast first (stricter than TensorRT in one place, which
takes a uint8 zero point of 0 for an int8 one and then answers otherwise). A graph with Q/DQ is built strongly
typed. Engines and timing caches of other versions or GPUs are refused.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import json
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


OK = cudaError_t.cudaSuccess


class Stream:
    """cudaStream_t."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.work: list[Callable[[], None]] = []

    def __int__(self) -> int:
        return self.handle


class Machine:
    """The GPU, its driver and its libraries. calls: the names of all CUDA and some TensorRT calls, in order.

    fails: name of a call → which of its calls fails, the first being 1. gpus: as the driver counts; None: no driver.
    refuses: so many engines TensorRT refuses to load from now on. builds, contexts: whether it makes them.
    interrupted: whether Ctrl-C is pressed during the build. timings_given, flags: what the builder was given.
    """

    def __init__(self, version: str = "10.3.0", gpus: int | None = 1) -> None:
        self.version, self.gpus, self.name, self.driver = version, gpus, "Orin", 12060
        self.calls: list[str] = []
        self.fails: dict[str, int] = {}
        self.refuses, self.builds, self.contexts, self.interrupted = 0, True, True, False
        self.memory: dict[int, Any] = {}
        self.device: set[int] = set()
        self.freed: list[Any] = []
        self.streams: dict[int, Stream] = {}
        self.timings_given: list[bytes] = []
        self.flags: set[str] = set()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Machine:
        """Let `import tensorrt` and `from cuda.bindings import runtime` find this machine."""
        runtime = types.SimpleNamespace(
            **{name: self._recorded(name) for name in dir(self) if name.startswith("cuda")},
            cudaError_t=cudaError_t, cudaMemcpyKind=cudaMemcpyKind,
            cudaGetErrorString=lambda error: (OK, error.name.encode()),
        )  # fmt: skip
        bindings = types.ModuleType("cuda.bindings")
        bindings.runtime = runtime  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cuda", types.ModuleType("cuda"))
        monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
        monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", runtime)
        monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_of(self))
        return self

    def _recorded(self, name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            if self.fails.get(name) == self.calls.count(name):
                return (cudaError_t.cudaErrorMemoryAllocation, None)
            return getattr(self, name)(*args)

        return call

    @property
    def identity(self) -> str:
        """What an engine or a timing cache is bound to."""
        return f"{self.version} {self.name}"

    def interrupt(self) -> None:
        """Ctrl-C during the build."""
        raise KeyboardInterrupt

    @property
    def held(self) -> int:
        """Allocations and streams that nobody gave back."""
        return len(self.memory) + len(self.streams)

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:
        return (cudaError_t.cudaErrorInsufficientDriver, None) if self.gpus is None else (OK, self.gpus)

    def cudaDriverGetVersion(self) -> tuple[Any, ...]:
        return (OK, self.driver)

    def cudaGetDeviceProperties(self, device: int) -> tuple[Any, ...]:
        assert device == 0
        return (OK, types.SimpleNamespace(name=self.name.encode(), major=8, minor=7, multiProcessorCount=16))

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        address = 0xD000_0000_0000 + 4096 * len(self.calls)  # no host address: a wrong use is found, or crashes
        self.memory[address] = ctypes.create_string_buffer(size)
        self.device.add(address)
        return (OK, address)

    def cudaMallocHost(self, size: int) -> tuple[Any, ...]:
        buffer = ctypes.create_string_buffer(size)
        self.memory[ctypes.addressof(buffer)] = buffer
        return (OK, ctypes.addressof(buffer))

    def cudaFree(self, address: int) -> tuple[Any, ...]:
        return self._free(address, address in self.device)

    def cudaFreeHost(self, address: int) -> tuple[Any, ...]:
        return self._free(address, address not in self.device)

    def _free(self, address: int, right_kind: bool) -> tuple[Any, ...]:
        assert right_kind, "freed by the wrong call"
        assert address in self.memory, "freed twice, or never allocated"
        assert not any(stream.work for stream in self.streams.values()), "freed while a stream may still use it"
        self.freed.append(self.memory.pop(address))  # kept, so that a late look at it does not crash the tests
        return (OK,)

    def cudaStreamCreate(self) -> tuple[Any, ...]:
        stream = Stream(77 + len(self.calls))
        self.streams[stream.handle] = stream
        return (OK, stream)

    def cudaStreamDestroy(self, stream: Stream) -> tuple[Any, ...]:
        assert self.streams.pop(stream.handle, None) is stream, "destroyed twice"
        return (OK,)

    def cudaStreamSynchronize(self, stream: Stream) -> tuple[Any, ...]:
        assert stream.handle in self.streams
        work, stream.work = stream.work, []
        for job in work:
            job()
        return (OK,)

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: Any, stream: Stream) -> tuple[Any, ...]:
        to_device = kind == cudaMemcpyKind.cudaMemcpyHostToDevice
        if (target in self.device) != to_device or (source in self.device) == to_device:
            return (cudaError_t.cudaErrorInvalidValue,)
        into, out_of = self.memory[target], self.memory[source]
        assert size <= len(into) and size <= len(out_of), "copied past the end"
        stream.work.append(lambda: ctypes.memmove(into, out_of, size) and None)
        return (OK,)


@functools.cache
def session(graph: bytes) -> ort.InferenceSession:
    """What runs a graph; one for each content, because tests build the same graph again and again."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _graph_message() -> Any:
    """A reader of a few of ONNX's fields that shares nothing with the one in edge/engines/tensorrt_build.py."""
    file = descriptor_pb2.FileDescriptorProto(name="part_of_onnx.proto", package="part", syntax="proto2")
    fields: dict[str, list[tuple[str, int, Any]]] = {
        "Model": [("graph", 7, "Graph")],
        "Graph": [("node", 1, ["Node"]), ("initializer", 5, ["Tensor"])],
        "Node": [("input", 1, [9]), ("output", 2, [9]), ("name", 3, 9), ("op_type", 4, 9)],
        "Tensor": [("data_type", 2, 5), ("int32_data", 5, [5]), ("name", 8, 9), ("raw_data", 9, 12)],
    }
    for message, parts in fields.items():
        proto = file.message_type.add(name=message)
        for name, number, kind in parts:
            repeated, kind = isinstance(kind, list), kind[0] if isinstance(kind, list) else kind
            added = proto.field.add(name=name, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                added.type, added.type_name = 11, f".part.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("part.Model"))


Model = _graph_message()


def refusals(graph: bytes) -> list[tuple[str, str, str]]:
    """What TensorRT's parser has against a graph: operator, name of the node, and why."""
    found, content = [], Model.FromString(graph).graph
    constants = {tensor.name: tensor for tensor in content.initializer}
    for node in content.node:
        why = None
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = constants[node.input[2]]
            if zero.data_type == 6:
                why = "input has type Int32 but must have type FP8, FP4, Int4, or Int8"
            elif zero.data_type != 3 or any(zero.raw_data) or any(zero.int32_data):
                why = "Assertion failed: shiftIsAllZeros(zeroPoint): Non-zero zero point is not supported."
        elif "image" in node.input and node.op_type != "Cast":
            why = "a uint8 input goes into another layer than Cast"
        if why is not None:
            found.append((node.op_type, node.name, why))
    return found


def tensorrt_of(machine: Machine) -> types.ModuleType:
    """The module `tensorrt` of a machine."""
    trt, major = types.ModuleType("tensorrt"), int(machine.version.split(".")[0])
    Severity = enum.Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])
    precisions = ["FP16", "INT8"] if major < 11 else []

    class FromPython:
        """A class that Python code derives from: pybind11 wants its own constructor called."""

        def __init__(self) -> None:
            self.constructed = True

    class ILogger(FromPython):
        pass

    class IProgressMonitor(FromPython):
        pass

    class IHostMemory(bytes):
        pass

    class IOptimizationProfile:
        def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
            assert input == "image" and all(low <= at <= high for low, at, high in zip(min, opt, max, strict=True))
            self.low, self.high = tuple(min), tuple(max)

    class INetworkDefinition:
        def __init__(self, flags: int) -> None:
            self.typed = major >= 11 or bool(flags & 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
            self.graph = b""

    class ITimingCache:
        def __init__(self, content: bytes) -> None:
            self.of = json.loads(content)["of"] if content else None

        def serialize(self) -> IHostMemory:
            return IHostMemory(json.dumps({"of": machine.identity}).encode())

    class IBuilderConfig:
        progress_monitor: Any = None

        def __init__(self) -> None:
            self.flags: set[Any] = set()
            self.profiles: list[IOptimizationProfile] = []

        def set_flag(self, flag: Any) -> None:
            self.flags.add(flag)

        def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
            self.profiles.append(profile)
            return len(self.profiles) - 1

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
            machine.timings_given.append(serialized_timing_cache)
            return ITimingCache(serialized_timing_cache)

        def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
            return ignore_mismatch or cache.of in (None, machine.identity)

    class Builder:
        def __init__(self, logger: ILogger) -> None:
            assert logger.constructed
            self.logger = logger

        def create_network(self, flags: int = 0) -> INetworkDefinition:
            return INetworkDefinition(flags)

        def create_builder_config(self) -> IBuilderConfig:
            return IBuilderConfig()

        def create_optimization_profile(self) -> IOptimizationProfile:
            return IOptimizationProfile()

        def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
            quantised = any(node.op_type == "QuantizeLinear" for node in Model.FromString(network.graph).graph.node)
            if not config.profiles:
                return self._none("Network has dynamic inputs, but no optimization profile has been defined.")
            if network.typed and config.flags:
                return self._none("precision flags in a strongly typed network")
            if quantised and not network.typed:
                return self._none("the network is quantised, the INT8 flag is not set")
            machine.calls.append("build")
            machine.flags = {flag.name for flag in config.flags} | ({"STRONGLY_TYPED"} if network.typed else set())
            monitor = config.progress_monitor
            assert monitor.constructed
            monitor.phase_start("Building Engine", None, 2)
            monitor.phase_start("Tactics", "Building Engine", 1)
            if machine.interrupted:
                monitor._bars["Tactics"].update = machine.interrupt
            going = monitor.step_complete("Tactics", 0)
            machine.calls += [] if going else ["build stopped"]
            monitor.phase_finish("Tactics")
            monitor.phase_finish("Building Engine")
            if not going or not machine.builds:
                return self._none("Could not find any implementation for node head")
            profile = config.profiles[0]
            header = {"of": machine.identity, "low": profile.low, "high": profile.high}
            return IHostMemory(json.dumps(header).encode() + b"\n" + network.graph)

        def _none(self, why: str) -> None:
            self.logger.log(Severity.ERROR, why)

    class OnnxParser:
        def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
            self.network, self.errors = network, []

        num_errors = property(lambda self: len(self.errors))

        def get_error(self, index: int) -> Any:
            operator, name, why = self.errors[index]
            return types.SimpleNamespace(node_operator=lambda: operator, node_name=lambda: name, desc=lambda: why)

        def parse(self, model: bytes, path: str | None = None) -> bool:
            self.network.graph, self.errors = model, refusals(model)
            return not self.errors

    class ICudaEngine:
        def __init__(self, plan: bytes) -> None:
            header, graph = plan.split(b"\n", 1)
            self.profile, self.session = json.loads(header), session(graph)
            self.tensors = {node.name: node for node in (*self.session.get_inputs(), *self.session.get_outputs())}

        num_io_tensors = property(lambda self: len(self.tensors))

        def get_tensor_name(self, index: int) -> str:
            return list(self.tensors)[index]

        def get_tensor_dtype(self, name: str) -> Any:
            return trt.DataType[{"tensor(uint8)": "UINT8", "tensor(float)": "FLOAT"}[self.tensors[name].type]]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return tuple(size if isinstance(size, int) else -1 for size in self.tensors[name].shape)

        def create_execution_context(self) -> IExecutionContext | None:
            return IExecutionContext(self) if machine.contexts else None

    class IExecutionContext:
        def __init__(self, engine: ICudaEngine) -> None:
            self.engine, self.addresses, self.shape = engine, {}, None

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self.addresses[name] = memory
            return name in self.engine.tensors and memory in machine.device

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            low, high = self.engine.profile["low"], self.engine.profile["high"]
            self.shape = shape
            return all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True))

        def execute_async_v3(self, stream_handle: int) -> bool:
            machine.calls.append("execute")
            if self.shape is None or set(self.addresses) != set(self.engine.tensors):
                return False
            if machine.fails.get("execute") == machine.calls.count("execute"):
                return False
            shape, addresses = self.shape, dict(self.addresses)
            machine.streams[stream_handle].work.append(lambda: self._execute(shape, addresses))
            return True

        def _execute(self, shape: tuple[int, ...], addresses: dict[str, int]) -> None:
            pixels = np.frombuffer(machine.memory[addresses["image"]], np.uint8, int(np.prod(shape)))
            names = ["logits", "class_maps"]
            for name, answer in zip(
                names, self.engine.session.run(names, {"image": pixels.reshape(shape)}), strict=True
            ):
                assert answer.nbytes <= len(machine.memory[addresses[name]])
                ctypes.memmove(machine.memory[addresses[name]], answer.tobytes(), answer.nbytes)

    class Runtime:
        def __init__(self, logger: ILogger) -> None:
            assert logger.constructed
            self.logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            machine.calls.append("deserialize")
            right = json.loads(serialized_engine.split(b"\n", 1)[0])["of"] == machine.identity
            if not right or machine.refuses:
                machine.refuses = max(0, machine.refuses - 1)
                self.logger.log(Severity.ERROR, "The engine plan file is not compatible with this version of TensorRT")
                return None
            return ICudaEngine(serialized_engine)

    ILogger.Severity = Severity  # type: ignore[attr-defined]
    strongly = {"STRONGLY_TYPED": 1 if major < 11 else 0}
    trt.__dict__.update(
        {made.__name__: made for made in (ILogger, IProgressMonitor, Builder, OnnxParser, Runtime)},
        __version__=machine.version, BuilderFlag=enum.Enum("BuilderFlag", [*precisions, "TF32"]),
        NetworkDefinitionCreationFlag=enum.IntEnum("NetworkDefinitionCreationFlag", strongly),
        DataType=enum.Enum("DataType", ["FLOAT", "UINT8"]),
    )  # fmt: skip
    return trt
