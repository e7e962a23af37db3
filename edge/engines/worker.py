"""The process in which an engine runs, so that it can hang or crash without taking the bin along.

The daemon starts it (edge/engines/supervised.py) and says what to do (edge/engines/wire.py). It ends with the daemon,
however the daemon ends. Its arguments are file descriptors: of the socket to the daemon, and of the shared memory.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.domain import Engine
from edge.engines.cache import EngineCache
from edge.engines.candidate import Candidate
from edge.engines.wire import Channel, Memory
from edge.errors import BundleError
from edge.memory import give_back, keep_little
from edge.network import Network, from_document

_PR_SET_PDEATHSIG = 1

Spoil = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Worker:
    """Answers the daemon's messages. spoil: changes logits; for a simulated engine that is wrong."""

    def __init__(self, network: Network, cache: EngineCache, memory: Memory, spoil: Spoil) -> None:
        self._network, self._cache, self._memory, self._spoil = network, cache, memory, spoil
        self._held = ExitStack()
        self._engine: Engine | None = None

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the message says. What the bundle or the engine does wrong is an answer, not the end."""
        do: dict[str, Callable[..., dict[str, Any]]]
        do = {"order": self._order, "open": self._open, "infer": self._infer}
        try:
            return do[message.pop("do")](**message)
        except BundleError as error:
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - engines' own errors share no other base
            return {"error": f"{type(error).__name__}: {error}"}

    def _order(self, wanted: str, threads: int) -> dict[str, Any]:
        from edge.engines.kinds import order_of

        return {"order": [asdict(candidate) for candidate in order_of(wanted, threads, self._network, self._cache)]}

    def _open(self, kind: str, threads: int) -> dict[str, Any]:
        from edge.engines.kinds import engine_of, missing

        why = missing(kind, self._network)
        if why is not None:
            return {"error": f"{kind}: {why}"}
        self._engine = self._held.enter_context(engine_of(Candidate(kind, threads), self._network, self._cache))
        give_back()
        return {"name": self._engine.name, "precision": self._engine.precision}

    def _infer(self) -> dict[str, Any]:
        assert self._engine is not None, "the daemon opens an engine before it asks"
        started_s = time.perf_counter()
        logits, class_maps = self._engine.infer(self._memory.image)
        took_s = time.perf_counter() - started_s
        return self._memory.write(self._spoil(logits), class_maps) | {"took_s": took_s}


def main(spoil: Spoil = lambda logits: logits, kind: type[Worker] = Worker) -> None:
    """Serve until the daemon is gone. kind: what answers; another than Worker stands in for a network."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which then ends this process
    parent = os.getppid()
    _end_with(parent)
    keep_little()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        first = channel.receive()
        network = from_document(first["network"])
        cache = EngineCache(None if first["cache"] is None else Path(first["cache"]))
        worker = kind(network, cache, Memory(int(sys.argv[2]), network), spoil)
        while True:
            channel.send(worker.answer(channel.receive()))
    except (EOFError, OSError):
        os._exit(0)  # the daemon is gone, and nobody waits for what the engine's library would still tidy up


def _end_with(parent: int) -> None:
    """Where the kernel can: killed when the daemon dies, also while the engine hangs and reads nothing any more."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)  # it died before the call


if __name__ == "__main__":
    main()
