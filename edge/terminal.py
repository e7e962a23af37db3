"""What `python -m edge run` shows a person: its steps, a line per item, and the console beside it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from edge.config import Config
from edge.domain import Outcome, SortEvent
from edge.errors import ConfigError
from edge.payloads import event_payload

STOP_S = 10.0
"""How long the console's process may take to end before it is killed."""


class Narrator:
    """Tells on the terminal what the bin does, and writes the report."""

    def __init__(self, report: TextIO | None) -> None:
        self._report = report
        self._console = Console(highlight=False, soft_wrap=True)
        self._items = 0

    def opening(self, step: str) -> None:
        """One step of the start."""
        self._console.print(f"  opening  {step}", style="dim")

    def ready(self, config: Config) -> None:
        """Everything is open; where to look."""
        topic, host, port = f"smartbin/{config.bin_id}", config.mqtt.host, config.mqtt.port
        self._console.print(f"ready    watch: mosquitto_sub -h {host} -p {port} -t '{topic}/#' -v    stop: Ctrl-C")

    def event(self, event: SortEvent) -> None:
        """One item, on the terminal and in the report."""
        self._items += 1
        confirmed = event.outcome is Outcome.CONFIRMED
        line = Text(f"{self._items:4d}  ")
        line.append(f"{event.top3[0].label:<10}{event.top3[0].p:6.1%}", style="bold")
        line.append("".join(f"  {label} {p:.1%}" for label, p in event.top3[1:]).ljust(34), style="dim")
        line.append(f" → {event.decision.compartment:<10}", style="cyan")
        line.append(f"{event.decision.reason.value:<11}")
        line.append(event.outcome.value, style="green" if confirmed else "bold red")
        line.append(
            f"  infer {event.timings_ms['infer']:.0f} ms, move {event.timings_ms['actuate']:.0f} ms", style="dim"
        )
        self._console.print(line)
        if self._report is not None:
            self._report.write(event_payload(event).to_json() + "\n")
            self._report.flush()

    def stopped(self, items: int, left: int) -> None:
        """The end."""
        kept = f", {left} events kept for the next start" if left else ""
        self._console.print(f"stopped  {items} items; the flap is closed{kept}")


@contextmanager
def open_report(path: Path) -> Iterator[TextIO]:
    """The report file, emptied.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        file = path.open("w")
    except OSError as error:
        raise ConfigError(
            f"--report {path}: {error.strerror}; name a file in a folder that exists and can be written"
        ) from None
    with file:
        yield file


@contextmanager
def console_process(config_path: Path, config: Config) -> Iterator[int]:
    """The console as a process of its own, ended with the bin. It talks to the daemon over the control socket only.

    It gives way to the sorting where both want the processor. Gives its process id.
    """
    gently = ["nice", "-n", "10"]
    command = [*gently, sys.executable, "-m", "edge", "console", "--config", str(config_path), "--with-parent"]
    # A session of its own: Ctrl-C reaches the bin alone, which then ends the console in order.
    process = subprocess.Popen(command, start_new_session=True)
    with suppress(OSError):  # where Linux shares the processor between sessions first; see sched(7), autogroup
        Path(f"/proc/{process.pid}/autogroup").write_text("10")
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
