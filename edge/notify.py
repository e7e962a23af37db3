"""What a service says to systemd: sd_notify(3), lines of `NAME=value` in a datagram to the socket in NOTIFY_SOCKET."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Notifier:
    """Tells systemd. Without an address, as outside systemd, it says nothing, and nothing fails.

    address: path of the socket; one that begins with @ is in Linux's abstract namespace. watchdog_s: seconds without
    WATCHDOG=1 after which systemd restarts the program; None where it does not. service: this program is the main
    process of a unit of type notify, so that it is started again when it ends (Restart=always, docs/systemd.md).
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None, *, service: bool = False) -> None:
        if address is not None and address[:1] not in ("/", "@"):
            _log.warning("NOTIFY_SOCKET is %r, expected a path or @name; systemd is told nothing", address)
            address = None
        self._address = None if address is None else "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self.service = service and self._address is not None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Notifier:
        """As systemd asks for it. What is meant for another process, which started this one, is none of ours."""
        usec, us = environment.get("WATCHDOG_USEC", ""), ("", str(os.getpid()))
        watched = usec.isdecimal() and int(usec) > 0 and environment.get("WATCHDOG_PID", "") in us
        main = all(environment.get(name, "") in us for name in ("WATCHDOG_PID", "SYSTEMD_EXEC_PID"))
        service = main and bool(environment.get("INVOCATION_ID"))
        return cls(environment.get("NOTIFY_SOCKET"), int(usec) / 1e6 if watched else None, service=service)

    def send(self, *lines: str) -> None:
        """One message, such as send("READY=1", "STATUS=waiting"). Never blocks; what cannot be sent is logged."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.warning("systemd cannot be told %s: %s", lines[0], error)
