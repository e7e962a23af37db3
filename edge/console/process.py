"""`python -m edge console`: the technicians' page, a process of its own beside the daemon."""

from __future__ import annotations

import errno
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from edge.clock import SystemClock
from edge.config import Config, Console, load_config
from edge.config.console import LOOPBACK
from edge.console.access.passwords import Passwords, Role
from edge.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn

PARENT_CHECK_S = 1.0


def run(config: Path, *, with_parent: bool, new_password: Role | None) -> NoReturn:
    """Serve the page until SIGTERM or Ctrl-C, or make a password; ends the process.

    Raises:
        ConfigError: the config, the address, the certificate or the passwords cannot be used.
    """
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # until the server runs and ends in its own way
    settings = load_config(config)
    if new_password is not None:
        print(f"{new_password}: {passwords_of(settings).renew(new_password)}")
    else:
        serve(settings, parent if with_parent else None)
    sys.stdout.flush()
    os._exit(0)  # all is closed; taking gradio's modules apart would take a small computer seconds


def serve(config: Config, parent: int | None) -> None:
    """Serve the page. parent: a process id; when that process is no longer our parent, this one ends.

    Raises:
        ConfigError: the address is taken or not this machine's; the passwords or the certificate cannot be used.
    """
    settings = config.console
    passwords = passwords_of(config) if settings.asks_for_password else None
    with bound(settings.host, settings.port) as listener, tempfile.TemporaryDirectory() as uploads:
        _check_certificate(settings)
        silent = _to_the_journal()  # a log is no place for a password
        made = {} if passwords is None or silent else passwords.make_missing()
        missing = () if passwords is None else passwords.missing()
        os.environ["GRADIO_TEMP_DIR"] = uploads
        server = _server(config, passwords)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        if parent is not None:
            threading.Thread(target=_follow, args=(parent, server), name="parent", daemon=True).start()
        scheme = "http" if settings.cert_file is None else "https"
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"console: {scheme}://{shown}:{settings.port}", flush=True)
        for role, password in made.items():
            print(f"console: the password of the {role} is {password} (shown this once)", flush=True)
        for role in missing:
            print(f"console: the {role} has no password yet; make one with --new-password {role}", flush=True)
        if passwords is not None and settings.cert_file is None and settings.host not in LOOPBACK:
            print("console: not encrypted, so passwords can be read on the network; see console.cert_file", flush=True)
        server.run(sockets=[listener])


def _server(config: Config, passwords: Passwords | None) -> uvicorn.Server:
    """The page behind its gate."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # gradio imports Matplotlib at the first request where there is one: seconds, and memory for nothing.
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    import uvicorn  # after the port is ours: these take seconds to import

    from edge.console.access.gate import Gate
    from edge.console.app import build_app

    clock, settings = SystemClock(), config.console
    app = Gate(
        build_app(config, clock, logs_out=passwords is not None),
        config.bin_id,
        clock,
        passwords=passwords,
        hosts=frozenset((*LOOPBACK, settings.host)),
        idle_s=60 * settings.idle_logout_min,
        secure=settings.cert_file is not None,
    )
    # An open page holds a connection for good; one second is for answers under way.
    options: dict[str, Any] = {"log_level": "warning", "timeout_graceful_shutdown": 1, "proxy_headers": False}
    if settings.cert_file is not None:
        options |= {"ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    return uvicorn.Server(uvicorn.Config(app, **options))


def passwords_of(config: Config) -> Passwords:
    """Those of a bin's console: in the folder that systemd gives the service, else in the bin's."""
    return Passwords(Path(os.environ.get("STATE_DIRECTORY") or config.state_dir) / "console-passwords.json")


def _to_the_journal() -> bool:
    """Whether what is printed goes to systemd's journal; see systemd.exec(5), $JOURNAL_STREAM."""
    out = os.fstat(sys.stdout.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{out.st_dev}:{out.st_ino}"


def _check_certificate(settings: Console) -> None:
    """Before the slow imports, and with a message that names the setting.

    Raises:
        ConfigError: the files cannot be used.
    """
    if settings.cert_file is None or settings.key_file is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.cert_file, settings.key_file, password="")
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else (error.reason or "not PEM")
        raise ConfigError(
            f"console.cert_file, key_file: {settings.cert_file}, {settings.key_file}: {reason}; expected a certificate "
            "and its key in PEM, the key without a passphrase"
        ) from None


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
