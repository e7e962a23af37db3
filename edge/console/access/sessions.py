"""Log-ins: how long they last, and how often somebody may try."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

from edge.console.access.passwords import Role
from edge.domain import Clock

FREE = 5
"""Wrong passwords from one address before it has to wait."""
FIRST_WAIT_S, LONGEST_WAIT_S = 10.0, 900.0
"""The wait doubles with each further wrong one."""
FORGOTTEN_S = 3600.0
"""An address that was quiet for so long starts anew."""
MOST_ADDRESSES, MOST_SESSIONS = 1000, 100
"""What is remembered; the oldest goes first."""

_LOG = logging.getLogger(__name__)


@dataclass
class _Tries:
    wrong: int = 0
    until_s: float = 0.0
    last_s: float = 0.0


class Attempts:
    """Wrong passwords, by address. Safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        with self._lock:
            tries = self._tries.get(_network(address))
            return max(0.0, tries.until_s - self._clock.monotonic_s()) if tries else 0.0

    def wrong(self, address: str) -> None:
        """A wrong password came from there."""
        network, now_s = _network(address), self._clock.monotonic_s()
        with self._lock:
            tries = self._tries.pop(network, _Tries())
            if now_s - tries.last_s > FORGOTTEN_S:
                tries = _Tries()
            tries.wrong, tries.last_s = tries.wrong + 1, now_s
            self._tries[network] = tries
            while len(self._tries) > MOST_ADDRESSES:
                self._tries.popitem(last=False)
            if tries.wrong < FREE:
                return
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries.wrong - FREE, 30))
            tries.until_s = now_s + wait_s
        _LOG.warning("%d wrong passwords for the console from %s; it must wait %g s", tries.wrong, network, wait_s)

    def right(self, address: str) -> None:
        """The right one came: what was wrong before is forgotten."""
        with self._lock:
            self._tries.pop(_network(address), None)


def _network(address: str) -> str:
    """What one attacker has: an IPv4 address, or the 64 bits of an IPv6 network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


@dataclass
class _Session:
    role: Role
    active_s: float


class Sessions:
    """Who is logged in, by the token in a browser's cookie. Safe to use from any thread.

    idle_s: a session ends that long after the last sign of a person. The page's own requests are none.
    """

    def __init__(self, clock: Clock, idle_s: float) -> None:
        self._clock = clock
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def begin(self, role: Role) -> str:
        """Somebody has logged in; the token for their browser."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[token] = _Session(role, self._clock.monotonic_s())
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return token

    def role_of(self, token: str) -> Role | None:
        """The role behind a token; None when there is no such session, or it was idle for too long."""
        with self._lock:
            session = self._sessions.get(token)
            if session is None:
                return None
            if self._clock.monotonic_s() - session.active_s > self._idle_s:
                del self._sessions[token]
                return None
            return session.role

    def active(self, token: str) -> None:
        """A person is there."""
        with self._lock:
            if token in self._sessions:
                self._sessions[token].active_s = self._clock.monotonic_s()

    def end(self, token: str) -> None:
        """Log out. Harmless when there is no such session."""
        with self._lock:
            self._sessions.pop(token, None)
