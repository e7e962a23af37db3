"""The daemon's side of the control socket."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import json
import logging
import os
import pwd
import socket
import stat
import struct
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from edge.control.messages import LINE_LIMIT_BYTES, check_length, line_of
from edge.disk import disk_fails
from edge.errors import ControlError, ControlSocketAway, SmartbinError

Command = Callable[[dict[str, Any]], dict[str, Any]]
"""Arguments in, result out. Runs on the client's thread, so several run at once; a SmartbinError becomes the answer."""

PEER: ContextVar[str] = ContextVar("peer", default="somebody")
"""Who asks, while a command runs: user and process at the other end of the socket, as the kernel knows them."""

CLIENTS_AT_ONCE = 16
SEND_TIMEOUT_S = 10

_log = logging.getLogger(__name__)


class ControlServer:
    """Answers on the socket, each client on a thread of its own. A context manager.

    path: the socket; a lock file beside it (`.lock`) is held for as long as the daemon lives.
    commands: by name. They run on the clients' threads, so several may run at once.
    group: a system group whose members may use the socket too; None: its owner alone.
    """

    def __init__(self, path: Path, commands: Mapping[str, Command], *, group: str | None = None) -> None:
        self._path = path
        self._group = group
        self._commands = dict(commands)
        self._lock_file: BinaryIO | None = None
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._guard = threading.Lock()
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._closing = False

    def __enter__(self) -> ControlServer:
        """Take the socket.

        Raises:
            ControlError: another daemon is running, the path is too long or taken by a file, or cannot be written;
                ControlSocketAway, when that is the disk's doing.
        """
        check_length(self._path)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = self._locked()
            self._listener = self._bound()
        except ControlError:
            self.__exit__()
            raise
        except OSError as error:
            self.__exit__()
            kind = ControlSocketAway if disk_fails(error) else ControlError
            raise kind(f"{self._path}: cannot make the control socket: {error.strerror or error}") from None
        self._closing = False
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), name="control", daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._guard:
            self._closing = True
            clients = dict(self._clients)
        if self._listener is not None:
            with contextlib.suppress(OSError):  # its folder may be gone, or its disk be read-only by now
                self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone does not
            self._listener.close()
            self._listener = None
        for connection in clients:
            with contextlib.suppress(OSError):  # it may have gone by itself
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [self._accepting, *clients.values()]:
            if thread is not None and thread is not threading.current_thread():
                thread.join(timeout=2.0)  # a command that still runs does not hold up the end of the program
        self._accepting = None
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def _locked(self) -> BinaryIO:
        """The lock file, locked. The kernel gives the lock back when its holder dies, however it dies."""
        path = self._path.with_name(self._path.name + ".lock")
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read(20).decode(errors="replace").strip() or "unknown"
            file.close()
            raise ControlError(
                f"another daemon is running (process {holder} holds {path}); stop it, or choose another state_dir"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        return file

    def _bound(self) -> socket.socket:
        """The listening socket. What lies at its path is a dead daemon's: a live one would hold the lock."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise ControlError(f"{self._path}: expected a socket or nothing, found a file; move it away")
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), 0o600)  # on Linux bind() gives the file this mode: it is never open to others
            listener.bind(str(self._path))
            mode = stat.S_IMODE(self._path.lstat().st_mode)
            if mode != 0o600:
                raise ControlError(f"{self._path}: this system made it with mode {mode:04o}, expected 0600")
            if self._group is not None:
                self._open_to(self._group)
            listener.listen(CLIENTS_AT_ONCE)
        except BaseException:
            listener.close()
            raise
        return listener

    def _open_to(self, group: str) -> None:
        """The socket is for this group's members too."""
        try:
            wanted = grp.getgrnam(group).gr_gid
            if self._path.lstat().st_gid != wanted:
                os.chown(self._path, -1, wanted)
            self._path.chmod(0o660)
        except KeyError:
            raise ControlError(
                f"control.group: no group {group!r} on this system (groupadd --system {group})"
            ) from None
        except PermissionError:
            raise ControlError(
                f"control.group: {self._path} cannot be given to {group}, of which this user is no member "
                f"(usermod -aG {group} USER)"
            ) from None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed by __exit__
                return
            with self._guard:
                if self._closing:
                    connection.close()
                    return
                full = len(self._clients) >= CLIENTS_AT_ONCE
                if not full:
                    thread = threading.Thread(
                        target=self._serve, args=(connection,), name="control-client", daemon=True
                    )
                    self._clients[connection] = thread
                    thread.start()
            if full:
                with connection, contextlib.suppress(OSError):
                    connection.sendall(_failure(None, f"{CLIENTS_AT_ONCE} clients are connected already; close one"))

    def _serve(self, connection: socket.socket) -> None:
        """Answer one client until it goes."""
        # A client may be silent for as long as it likes, but not leave its answers unread.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_TIMEOUT_S, 0))
        PEER.set(_peer(connection))
        try:
            with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
                while line := lines.readline(LINE_LIMIT_BYTES + 1):
                    if len(line) <= LINE_LIMIT_BYTES:
                        connection.sendall(self._answer(line))
                        continue
                    while line and not line.endswith(b"\n"):  # unread bytes would cost the client its answer
                        line = lines.readline(LINE_LIMIT_BYTES)
                    connection.sendall(_failure(None, f"the request is longer than {LINE_LIMIT_BYTES} bytes"))
        finally:
            with self._guard:
                self._clients.pop(connection, None)

    def _answer(self, line: bytes) -> bytes:
        """One request's line → its answer's line. Whatever the request or its command does, there is an answer."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            return _failure(None, f"not a line of JSON: {error}")
        if not isinstance(request, dict):
            return _failure(None, f"expected a JSON object, found {type(request).__name__}")
        request_id, name = request.pop("id", None), request.pop("cmd", None)
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            return _failure(request_id, f"unknown cmd {name!r:.60}; there are {', '.join(sorted(self._commands))}")
        try:
            answer = line_of({"id": request_id, "ok": True, "result": command(request)})
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
            return _failure(request_id, f"{name}: {'; '.join(problems)}")
        except SmartbinError as error:
            return _failure(request_id, str(error))
        except Exception as error:  # noqa: BLE001 - a bug in one command must not take the others away
            _log.exception("the control command %s failed", name)
            return _failure(
                request_id, f"{name}: a bug in the daemon, {type(error).__name__}: {error}; its log says more"
            )
        if len(answer) > LINE_LIMIT_BYTES:
            return _failure(request_id, f"{name}: the answer is {len(answer)} bytes, the most is {LINE_LIMIT_BYTES}")
        return answer


def _peer(connection: socket.socket) -> str:
    """User and process at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", credentials)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"user {uid}"
    return f"{user} (process {pid})"


def _failure(request_id: object, error: str) -> bytes:
    return line_of({"id": request_id, "ok": False, "error": error})
