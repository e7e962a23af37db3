"""The other side of the control socket: the console and `python -m edge ctl`."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
from pathlib import Path
from typing import Any

from edge.control.messages import LINE_LIMIT_BYTES, check_length, line_of
from edge.errors import CommandError, ControlError


class ControlClient:
    """Asks the daemon. Every request is a connection of its own, so that a restarted daemon is simply there again.

    path: the daemon's socket. timeout_s: how long an answer may take.
    """

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)

    def request(self, cmd: str, **arguments: Any) -> dict[str, Any]:
        """Send one command and wait for its result.

        Raises:
            CommandError: the daemon answered with an error.
            ControlError: the daemon does not run, does not answer in time, or answers with something else.
        """
        request_id = str(next(self._ids))
        line = line_of({"id": request_id, "cmd": cmd, **arguments})
        if len(line) > LINE_LIMIT_BYTES:
            raise ControlError(f"{cmd}: the request is {len(line)} bytes, the most is {LINE_LIMIT_BYTES}")
        check_length(self._path)
        try:
            answer = self._exchange(line)
        except (FileNotFoundError, ConnectionRefusedError):
            raise ControlError(
                f"the daemon is not running (no {self._path}); start it with python -m edge run"
            ) from None
        except PermissionError:
            raise ControlError(f"{self._path}: belongs to another user; run this as the daemon's user") from None
        except TimeoutError:
            raise ControlError(
                f"{self._path}: the daemon took the connection but gave no answer to {cmd} within {self._timeout_s:g} s"
            ) from None
        except OSError as error:
            raise ControlError(f"{self._path}: the daemon went away ({error.strerror or error})") from None
        return self._result(answer, request_id)

    def _exchange(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._timeout_s)
            connection.connect(str(self._path))
            with contextlib.suppress(
                BrokenPipeError
            ):  # it may have refused us and hung up: what it said is still there
                connection.sendall(line)
            with connection.makefile("rb") as lines:
                return lines.readline(LINE_LIMIT_BYTES + 1)

    def _result(self, answer: bytes, request_id: str) -> dict[str, Any]:
        if not answer.endswith(b"\n"):
            raise ControlError(f"{self._path}: the daemon went away before it answered")
        try:
            document = json.loads(answer)
            if not document["ok"]:
                raise CommandError(str(document["error"]))
            if document["id"] == request_id and isinstance(document["result"], dict):
                return dict(document["result"])
        except (ValueError, KeyError, TypeError):
            pass  # answered below, with what was found
        raise ControlError(f"{self._path}: expected the answer to request {request_id}, found {answer[:80]!r}")
