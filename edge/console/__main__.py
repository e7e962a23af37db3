"""python -m edge.console: the technicians' page, a process of its own beside the daemon."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.clock import SystemClock
from edge.config import Config, load_config
from edge.errors import ConfigError, SmartbinError

if TYPE_CHECKING:
    import uvicorn

PARENT_CHECK_S = 1.0


def main(
    config: Annotated[Path, typer.Option(help="the bin's config file, the same as the daemon's")],
    with_parent: Annotated[bool, typer.Option(help="end when the process that started this one is gone")] = False,
) -> None:
    """Serve the technicians' page until SIGTERM or Ctrl-C.

    The daemon need not run: the page says so, and comes to life with it.

    Exit codes: 0 stopped, 2 wrong command line, 3 unusable config or taken port.

        python -m edge.console --config configs/edge/sim.yaml
    """
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # until the server runs and ends in its own way
    try:
        serve(load_config(config), parent if with_parent else None)
    except SmartbinError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(error.exit_code) from None
    sys.stdout.flush()
    os._exit(0)  # all is closed; taking gradio's modules apart would take a small computer seconds


def serve(config: Config, parent: int | None) -> None:
    """Serve the page. parent: a process id; when that process is no longer our parent, this one ends.

    Raises:
        ConfigError: the address is taken or not this machine's.
    """
    with bound(config.console.host, config.console.port) as listener, tempfile.TemporaryDirectory() as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        # gradio imports Matplotlib at the first request where there is one: seconds, and memory for nothing.
        sys.modules["matplotlib"] = None  # type: ignore[assignment]
        import uvicorn  # after the port is ours: these take seconds to import

        from edge.console.app import build_app

        app = build_app(config.bin_id, config.control_socket, SystemClock())
        # An open page holds a connection for good; one second is for answers under way.
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        if parent is not None:
            threading.Thread(target=_follow, args=(parent, server), name="parent", daemon=True).start()
        shown = f"[{config.console.host}]" if ":" in config.console.host else config.console.host
        print(f"console: http://{shown}:{config.console.port}", flush=True)
        server.run(sockets=[listener])


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"{host}:{port} is taken; set console.port to a free one") from None
        reason = error.strerror or error
        raise ConfigError(f"{host}:{port}: {reason}; set console.host and console.port") from None


def _follow(parent: int, server: uvicorn.Server) -> None:
    tick = threading.Event()
    while os.getppid() == parent:
        tick.wait(PARENT_CHECK_S)
    server.should_exit = True


if __name__ == "__main__":
    typer.run(main)
