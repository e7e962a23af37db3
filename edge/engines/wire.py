"""What the daemon and its engine's process say to each other.

A picture and the network's answer to it lie in memory that both processes map. A line of JSON down a socket pair says
what to do, and a line comes back:

    {"do": "order", "wanted": "auto", "threads": 0}         →  {"order": [{"kind": "openvino", "threads": 2}, …]}
    {"do": "open", "kind": "openvino", "threads": 2}        →  {"name": "openvino-int8", "precision": "int8"}
    {"do": "infer"}, the picture at the start of the memory →  {"maps": [7, 7], "took_s": 0.01}, the answer behind it
                                                           or  {"error": "…"} to any of them
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.network import Network

_LINE_BYTES = 1 << 20


class Channel:
    """One end of the socket pair. Not for several threads."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._waiting = b""

    def send(self, message: dict[str, Any]) -> None:
        """Raises OSError when the other side is gone."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout_s: float | None = None) -> dict[str, Any]:
        """The next message.

        Raises:
            TimeoutError: none came in time.
            EOFError: the other side is gone.
        """
        self._socket.settimeout(timeout_s)
        while b"\n" not in self._waiting:
            try:
                part = self._socket.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part or len(self._waiting) > _LINE_BYTES:
                raise EOFError
            self._waiting += part
        line, _, self._waiting = self._waiting.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        self._socket.close()


class Memory:
    """The memory that both processes map: a picture, then logits, then class maps. Both must be of one network."""

    def __init__(self, file: int, network: Network) -> None:
        side, self._k = network.size_px, len(network.labels)
        self._memory = mmap.mmap(file, memory_bytes(network))
        self.image: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8, side * side * 3).reshape(1, side, side, 3)
        self._answer: NDArray[np.float32] = np.frombuffer(self._memory, np.float32, offset=_answer_at(side))

    def write(self, logits: NDArray[np.float32], class_maps: NDArray[np.float32]) -> dict[str, Any]:
        """Lay an answer down, (1, K) and (1, K, h, w); gives the message that says so.

        Raises:
            ValueError: it has other shapes, or is larger than any network's.
        """
        k = self._k
        if logits.shape != (1, k) or class_maps.ndim != 4 or class_maps.shape[:2] != (1, k):
            raise ValueError(f"expected (1, {k}) and (1, {k}, h, w), found {logits.shape} and {class_maps.shape}")
        if k + class_maps.size > self._answer.size:
            raise ValueError(
                f"class maps {class_maps.shape} are too large, at most {self._answer.size - k} numbers fit"
            )
        self._answer[:k] = logits[0]
        self._answer[k : k + class_maps.size] = class_maps.reshape(-1)
        return {"maps": list(class_maps.shape[2:])}

    def read(self, message: dict[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The answer that `message` announces, copied: the next picture's goes to the same place."""
        k, (h, w) = self._k, message["maps"]
        class_maps = self._answer[k : k + k * h * w].reshape(1, k, h, w).copy()
        return self._answer[np.newaxis, :k].copy(), class_maps


def memory_bytes(network: Network) -> int:
    """How much both map. It is enough for a class map with a number for each 8 x 8 pixels; a ResNet's has 32 x 32."""
    side, k = network.size_px, len(network.labels)
    return _answer_at(side) + 4 * k * (1 + (side // 8 + 1) ** 2)


def _answer_at(side: int) -> int:
    return (3 * side * side + 63) // 64 * 64


def shared_file(size_bytes: int) -> int:
    """A file descriptor of memory that a child process can map; without a name, so that nothing is left behind."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("smartbin-engine")
    else:  # not Linux
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.ftruncate(file, size_bytes)
    return file
