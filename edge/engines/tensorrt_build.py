"""From a bundle's model.onnx to a TensorRT engine, on the machine that will run it.

    model.onnx ─► as TensorRT takes it (`symmetric`) ─► parser ─► builder, minutes ─► serialized engine, timings

TensorRT does not take the int8 graph as it ships: its zero points are not 0, its biases are int32, and its first node
turns uint8 pixels round before it casts them. `symmetric` says the same in TensorRT's terms. It reads ONNX's protocol
buffers by hand, because the edge does not install onnx.

Calls and enums are those of the Python bindings 10.3.0 (JetPack 6.1 and 6.2) and 11.4.0, both read from the modules
themselves. Types come from the graph (STRONGLY_TYPED, the only way from 11.0 on) where the graph is int8. A float graph
becomes fp16 by BuilderFlag.FP16, which 11.0 removed: see `missing` in edge/engines/tensorrt.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError
from edge.network import MODEL, Network

MAX_PICTURES = 4
"""The engine takes 1 to so many pictures at once and is tuned for 1, which is what a bin sends."""
RECIPE = "1"
"""Part of an engine's key: count it up when `symmetric` or `build` change what they make."""


def precision_of(network: Network) -> str:
    """int8 from an int8 graph, fp16 from a float graph."""
    return "int8" if network.precision == "int8" else "fp16"


def build(network: Network, log: Any, progress: Any, timings: bytes) -> tuple[bytes, bytes]:
    """The serialized engine and the timings that make the next build here faster. Takes minutes.

    timings: of an earlier build on this machine, or empty.
    log: a TensorRT logger with its newest errors in `said`. progress: a TensorRT progress monitor that says in
    `cancelled` whether it was asked to stop. Both are in edge/engines/tensorrt.py.

    Raises:
        BundleError: TensorRT does not understand the graph, or cannot build it; with what TensorRT said.
        KeyboardInterrupt: Ctrl-C, once TensorRT has stopped.
    """
    import tensorrt as trt

    path, int8 = network.model_path, precision_of(network) == "int8"
    builder = trt.Builder(log)
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if int8 else 0)
    parser = trt.OnnxParser(definition, log)
    if not parser.parse(read_graph(network)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        told = "; ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}" for error in errors)
        raise BundleError(f"{path}: TensorRT {trt.__version__} cannot read it: {told or '; '.join(log.said)}")
    config = builder.create_builder_config()
    if not int8:
        config.set_flag(trt.BuilderFlag.FP16)
    side = network.size_px
    profile = builder.create_optimization_profile()
    profile.set_shape("image", (1, side, side, 3), (1, side, side, 3), (MAX_PICTURES, side, side, 3))
    config.add_optimization_profile(profile)
    cache = config.create_timing_cache(timings)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):  # of another device: start anew
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    config.progress_monitor = progress
    plan = builder.build_serialized_network(definition, config)
    if progress.cancelled:
        raise KeyboardInterrupt
    if plan is None:
        told = "; ".join(log.said)
        raise BundleError(f"{path}: TensorRT {trt.__version__} built no engine: {told}; is the GPU's memory free?")
    return bytes(plan), bytes(cache.serialize())


# --- the graph, in TensorRT's terms ----------------------------------------------------------------------------------


def read_graph(network: Network) -> bytes:
    """The bundle's model.onnx as TensorRT takes it.

    Raises:
        BundleError: not an ONNX graph, other labels than the manifest's, or a quantisation TensorRT has no form of.
    """
    path, expected = network.model_path, list(network.labels)
    model = network.read(MODEL)
    try:
        labels = json.loads(_notes(model).get("labels", "null"))
        graph = symmetric(model)
    except (LookupError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not a graph for TensorRT: {error}; export it with python -m export") from error
    if labels != expected:
        raise BundleError(f"{path}: its labels are {labels}, the manifest's {expected}; the bundle is mislabelled")
    return graph


def symmetric(model: bytes) -> bytes:
    """A serialized ONNX model with what TensorRT refuses said otherwise.

    - uint8 QuantizeLinear and DequantizeLinear become int8 with zero point 0, wide enough for the old range: the new
      scale is scale · max(zero, 255 - zero) / 127. TensorRT quantises symmetrically only.
    - A zero point of 0 cut negative values off: the ReLU that quantising had swallowed. It becomes a Relu again.
    - int32 biases with their DequantizeLinear become float32 constants, the same numbers.
    - A Cast after the image's Transpose goes before it: a uint8 input must be cast before any other layer
      (TensorRT's documentation of DataType.UINT8).
    - Weights stay as they are: int8, zero point 0, a scale per output channel.

    Raises:
        ValueError, LookupError: not a serialized ONNX model, or uint8 zero points per channel.
    """
    whole = _decode(model)
    graph = _decode(_only(whole, _MODEL_GRAPH))
    nodes = [_Node.of(value) for number, _, value in graph if number == _GRAPH_NODE]
    tensors = {_text(_decode(value), _TENSOR_NAME): value for number, _, value in graph if number == _GRAPH_TENSOR}
    made: dict[str, NDArray[Any]] = {}
    nodes = [part for node in _cast_first(nodes) for part in _symmetric_node(node, tensors, made)]
    used = {name for node in nodes for name in node.inputs}
    kept = [(name, value) for name, value in tensors.items() if name in used] + [
        (name, _tensor(name, array)) for name, array in made.items()
    ]
    rest = [part for part in graph if part.number not in (_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_VALUE_INFO)]
    fresh = [_bytes(_GRAPH_NODE, node.encoded()) for node in nodes] + [
        _bytes(_GRAPH_TENSOR, value) for _, value in kept
    ]
    return _encode(
        [part for part in whole if part.number != _MODEL_GRAPH] + [_bytes(_MODEL_GRAPH, _encode(fresh + rest))]
    )


def _symmetric_node(node: _Node, tensors: dict[str, Any], made: dict[str, NDArray[Any]]) -> list[_Node]:
    """What takes the node's place; constants it needs go into `made`."""
    if node.op not in ("QuantizeLinear", "DequantizeLinear"):
        return [node]
    value, scale, zero = node.inputs
    zeros, scales = _array(tensors[zero]), _array(tensors[scale])
    if zeros.dtype == np.int32:
        made[node.outputs[0]] = ((_array(tensors[value]) - zeros) * scales).astype(np.float32)
        return []
    if zeros.dtype != np.uint8:
        return [node]
    if zeros.size != 1:
        raise ValueError(f"{node.op} of {value} has {zeros.size} uint8 zero points, expected one")
    shift = int(zeros)
    node.inputs[1:] = [f"{scale}_symmetric", f"{zero}_symmetric"]
    made[node.inputs[1]] = np.asarray(scales * max(shift, 255 - shift) / 127, np.float32)
    made[node.inputs[2]] = np.zeros((), np.int8)
    if node.op == "DequantizeLinear" or shift:
        return [node]
    node.inputs[0] = f"{node.outputs[0]}_relu"
    return [_Node("Relu", [value], [node.inputs[0]]), node]


def _cast_first(nodes: Sequence[_Node]) -> list[_Node]:
    casts = {node.inputs[0]: node for node in nodes if node.op == "Cast"}
    ordered = list(nodes)
    for turn in nodes:
        if turn.op == "Transpose" and turn.inputs == ["image"] and turn.outputs[0] in casts:
            cast = casts[turn.outputs[0]]
            turn.inputs, turn.outputs, cast.inputs, cast.outputs = (
                ["image_cast"],
                cast.outputs,
                turn.inputs,
                ["image_cast"],
            )
            ordered.remove(cast)
            ordered.insert(ordered.index(turn), cast)
    return ordered


# --- ONNX's protocol buffers: field numbers of onnx.proto, wire types of the encoding's specification -----------------

_MODEL_GRAPH, _MODEL_NOTE, _GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_VALUE_INFO = 7, 14, 1, 5, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP = 1, 2, 4
_TENSOR_DIM, _TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_INTS, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 4, 5, 8, 9
_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32}
_VARINT, _BYTES, _FIXED_SIZES = 0, 2, {1: 8, 5: 4}


class _Field(NamedTuple):
    number: int
    wire: int
    value: Any  # int of a varint, else bytes


@dataclass(eq=False)
class _Node:
    op: str
    inputs: list[str]
    outputs: list[str]
    rest: list[_Field] = field(default_factory=list)

    @classmethod
    def of(cls, message: bytes) -> _Node:
        parts = _decode(message)
        inputs, outputs = (
            [part.value.decode() for part in parts if part.number == n] for n in (_NODE_INPUT, _NODE_OUTPUT)
        )
        rest = [part for part in parts if part.number not in (_NODE_INPUT, _NODE_OUTPUT, _NODE_OP)]
        return cls(_text(parts, _NODE_OP), inputs, outputs, rest)

    def encoded(self) -> bytes:
        named = [(_NODE_INPUT, name) for name in self.inputs] + [(_NODE_OUTPUT, name) for name in self.outputs]
        return _encode([_bytes(number, text.encode()) for number, text in [*named, (_NODE_OP, self.op)]] + self.rest)


def _notes(model: bytes) -> dict[str, str]:
    """The model's own metadata."""
    notes = [_decode(part.value) for part in _decode(model) if part.number == _MODEL_NOTE]
    return {_text(note, 1): _text(note, 2) for note in notes}


def _array(tensor: bytes) -> NDArray[Any]:
    parts = _decode(tensor)
    dtype = np.dtype(_TYPES[next(part.value for part in parts if part.number == _TENSOR_TYPE)])
    shape = [part.value for part in parts if part.number == _TENSOR_DIM]
    numbers = {part.number: part.value for part in parts}
    if _TENSOR_INTS in numbers:
        return _ints(numbers[_TENSOR_INTS]).astype(dtype).reshape(shape)
    raw = numbers[_TENSOR_FLOATS] if _TENSOR_FLOATS in numbers else numbers[_TENSOR_RAW]
    return np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    kind = next(number for number, dtype in _TYPES.items() if dtype == array.dtype)
    dims = [_Field(_TENSOR_DIM, _VARINT, size) for size in array.shape]
    raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return _encode(
        [*dims, _Field(_TENSOR_TYPE, _VARINT, kind), _bytes(_TENSOR_NAME, name.encode()), _bytes(_TENSOR_RAW, raw)]
    )


def _ints(packed: bytes) -> NDArray[np.int64]:
    values, at = [], 0
    while at < len(packed):
        value, at = _varint(packed, at)
        values.append(value)
    return np.array(values, np.uint64).astype(np.int64)  # a negative number is its two's complement in 64 bits


def _only(parts: Sequence[_Field], number: int) -> bytes:
    (value,) = [part.value for part in parts if part.number == number]
    return bytes(value)


def _text(parts: Sequence[_Field], number: int) -> str:
    return _only(parts, number).decode()


def _bytes(number: int, value: bytes) -> _Field:
    return _Field(number, _BYTES, value)


def _decode(message: bytes) -> list[_Field]:
    parts, at = [], 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            parts.append(_Field(number, wire, value))
            continue
        size, at = _varint(message, at) if wire == _BYTES else (_FIXED_SIZES[wire], at)
        if at + size > len(message):
            raise ValueError("it is cut off")
        parts.append(_Field(number, wire, message[at : at + size]))
        at += size
    return parts


def _encode(parts: Sequence[_Field]) -> bytes:
    pieces = []
    for number, wire, value in parts:
        pieces.append(_as_varint(number << 3 | wire))
        if wire == _BYTES:
            pieces.append(_as_varint(len(value)))
        pieces.append(_as_varint(value) if wire == _VARINT else value)
    return b"".join(pieces)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits a byte, the lowest first; and where the next one begins."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _as_varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
