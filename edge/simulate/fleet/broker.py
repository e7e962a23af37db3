"""A Mosquitto of one's own, and what a broker on this machine uses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from edge.errors import BrokerError
from edge.memory import MIB

HOST = "127.0.0.1"
_START_S, _STOP_S = 20.0, 60.0
QUEUE = "max_queued_messages 100000"
"""As in configs/mosquitto/smartbin.conf."""


class Usage:
    """Processor time and memory of a broker's process, over its restarts. `sample` now and then, and before it ends."""

    def __init__(self) -> None:
        self._cpu_s: dict[int, float] = {}
        self.most_mib = 0.0

    def sample(self, pid: int) -> None:
        """What it has used until now; nothing new if it has ended or is somebody else's."""
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            times = process.cpu_times()
            self._cpu_s[pid] = times.user + times.system
            self.most_mib = max(self.most_mib, process.memory_info().rss / MIB)

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values())


class OwnMosquitto:
    """Debian's, on a free port of the loopback address, with its database in a folder of its own. A context manager.

    Raises, when entered:
        BrokerError: it is not installed, or does not start.
    """

    def __enter__(self) -> OwnMosquitto:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise BrokerError("--broker mosquitto: no program mosquitto; install Debian's package, or give an address")
        self._folder = tempfile.TemporaryDirectory()
        with socket.create_server((HOST, 0)) as free:
            self.port = int(free.getsockname()[1])
        folder = Path(self._folder.name)
        lines = [
            f"listener {self.port} {HOST}", "allow_anonymous true", "persistence true",
            f"persistence_location {folder}/", QUEUE, "log_dest stderr", "log_type error",
        ]  # fmt: skip
        if os.geteuid() == 0:
            lines.append("user root")  # else it gives up root and cannot write to the folder
        config = folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._command = [program, "-c", str(config)]
        self._log = folder / "log"
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        return self._process.pid

    def restart(self, usage: Usage) -> float:
        """Stop it as `systemctl restart` does, and start it again; for how many seconds it was away."""
        usage.sample(self.pid)
        started_s = time.monotonic()
        self._stop()
        self._start()
        return time.monotonic() - started_s

    def _start(self) -> None:
        with self._log.open("ab") as log:
            # Ctrl-C is for us: the bins say goodbye first.
            self._process = subprocess.Popen(self._command, stderr=log, start_new_session=True)
        until_s = time.monotonic() + _START_S
        while time.monotonic() < until_s and self._process.poll() is None:
            with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1.0):
                return
            time.sleep(0.02)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()
        raise BrokerError(f"mosquitto did not start on {HOST}:{self.port} within {_START_S:g} s; it said: {said}")

    def _stop(self) -> None:
        until_s = time.monotonic() + _STOP_S
        while self._process.poll() is None:
            if time.monotonic() > until_s:
                self._process.kill()
            self._process.terminate()  # again: Mosquitto forgets a SIGTERM that comes right after its start
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)


def listening_pid(host: str, port: int) -> int | None:
    """The process of this machine that listens there; None where there is none that we may see."""
    with suppress(psutil.Error, OSError):
        here = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
        wanted = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        if wanted & here:
            for connection in psutil.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                    return connection.pid
    return None
