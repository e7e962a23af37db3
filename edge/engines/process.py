"""The daemon's hold on an engine's process: started, asked with a time limit, killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.engines.candidate import Candidate
from edge.engines.wire import Channel, Memory, memory_bytes, shared_file
from edge.errors import BundleError, SmartbinError
from edge.network import Network, to_document

WORKER = (sys.executable, "-m", "edge.engines.worker")
START_TIMEOUT_S = 60.0
"""For the process to start and to look at what engines the machine has: libraries on a slow card take their time."""
_KILL_TIMEOUT_S = 2.0


class EngineLost(SmartbinError):
    """The process is of no use any more and must be killed. code: the fault's."""

    code = "engine_died"


class EngineHung(EngineLost):
    """No answer within the time allowed."""

    code = "engine_hung"


class EngineProcess:
    """One process with one engine. Implements `edge.domain.Engine` once it is open; not for several threads.

    timeout_s: seconds within which a picture must be answered. overhead_s: of the newest picture, what it took beside
    the engine's own time.
    """

    name = precision = ""

    def __init__(
        self, network: Network, cache: Path | None, *, timeout_s: float, command: Sequence[str] = WORKER
    ) -> None:
        self._timeout_s = timeout_s
        self.overhead_s = 0.0
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        file = shared_file(memory_bytes(network))
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(file)],
                pass_fds=(theirs.fileno(), file),
                stdin=subprocess.DEVNULL,
                stdout=2,  # libraries that print do not disturb who reads the daemon's output
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the daemon alone
            )
            self._memory = Memory(file, network)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(file)
        self._first: dict[str, Any] | None = {
            "network": to_document(network),
            "cache": None if cache is None else str(cache),
        }

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def kill(self) -> None:
        """End it at once. Safe from any thread: one that waits for its answer gets EngineLost."""
        self._process.kill()

    def close(self) -> None:
        """End it, and give back what it held. Harmless when done before."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):  # what the kernel cannot end now ends when its driver lets go
            self._process.wait(_KILL_TIMEOUT_S)
        self._channel.close()

    def order(self, wanted: str, threads: int) -> list[Candidate]:
        """Which engines to try, best first; see `edge.engines.kinds.order_of`. Raises as `open` does."""
        answer = self._ask({"do": "order", "wanted": wanted, "threads": threads}, START_TIMEOUT_S)
        return [Candidate(**candidate) for candidate in answer["order"]]

    def open(self, candidate: Candidate, timeout_s: float) -> None:
        """Open an engine in it.

        Raises:
            BundleError: this engine cannot run the bundle.
            EngineLost: the process ended, or gave no answer in time.
        """
        answer = self._ask({"do": "open", "kind": candidate.kind, "threads": candidate.threads}, timeout_s)
        self.name, self.precision = answer["name"], answer["precision"]

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, size, size, 3) uint8 RGB → logits (N, K), class_maps (N, K, h, w), float32. Raises as `open` does."""
        answers = []
        for image in images:
            started_s = time.perf_counter()
            self._memory.image[0] = image
            answer = self._ask({"do": "infer"}, self._timeout_s)
            answers.append(self._memory.read(answer))
            self.overhead_s = time.perf_counter() - started_s - answer["took_s"]
        logits, class_maps = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        return logits, class_maps

    def _ask(self, message: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            if self._first is not None:
                self._channel.send(self._first)
                self._first = None
            self._channel.send(message)
            answer = self._channel.receive(timeout_s)
        except TimeoutError:
            raise EngineHung(f"{self._said()} gave no answer within {timeout_s:g} s") from None
        except (EOFError, OSError):
            raise EngineLost(f"{self._said()} ended: {self._ending()}") from None
        if "error" in answer:
            raise BundleError(answer["error"])
        return answer

    def _said(self) -> str:
        return f"{self.name or 'the engine'}, process {self.pid},"

    def _ending(self) -> str:
        try:
            code = self._process.wait(_KILL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "it closed its socket"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    """The daemon's, with this program's folder on the path, and without what only the daemon may say to systemd."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_", "WATCHDOG_"))}
    places = [str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")]
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
