"""A daemon as a process of its own, for tests that must not share one with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SIM = ROOT / "configs/edge/sim.yaml"
PATIENCE_S = 120


def edge(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m edge …`, from the repository's root, to its end."""
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=quiet(), **options
    )


def quiet() -> dict[str, str]:
    """The environment, without a width for tables to depend on."""
    return {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sim_config(folder: Path, **changes: Any) -> Path:
    """sim.yaml with a state folder and a broker port of its own. changes: section → keys in it, or a value."""
    document = yaml.safe_load(SIM.read_text())
    document["state_dir"] = str(folder / "state")
    document["mqtt"]["port"] = free_port()
    for section, change in changes.items():
        if isinstance(change, dict):
            document[section] = {**document.get(section, {}), **change}
        else:
            document[section] = change
    path = folder / "bin.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


class RunningDaemon:
    """`python -m edge run`, from its `ready` line on. Killed on exit when it still runs."""

    def __init__(self, config: Path, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "edge", "run", "--config", str(config), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=quiet()
        )
        self.output = ""

    def __enter__(self) -> RunningDaemon:
        try:
            self.wait_for("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def wait_for(self, start: str) -> str:
        """The next line that starts so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if line.lstrip().startswith(start):
                return line
        raise AssertionError(f"ended with {self.process.wait()} before a line {start!r}:\n{self.output}")

    def has_told(self, start: str) -> None:
        """Wait for a line that starts so, unless there was one already."""
        if not any(line.lstrip().startswith(start) for line in self.output.splitlines()):
            self.wait_for(start)

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if any, and wait for the end; returns the exit code."""
        if number is not None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        self.output += rest
        return self.process.returncode
