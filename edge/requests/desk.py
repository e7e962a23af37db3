"""Takes what comes on `request/<cmd>`. Anybody whom the broker lets may send anything, in any order, and twice.

The mqtt thread hands a message over and goes on; what is accepted is done on a thread of its own, one at a time.
Nothing is done that is retained, expired, malformed, too large, too much, from nobody who is trusted where that is
needed, or was done before: the response says which, and so does the log.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import ValidationError

from edge.domain import Clock
from edge.errors import CommandError
from edge.payloads import COMMANDS, Request, ResponsePayload, request_class
from edge.requests.limit import RateLimit
from edge.requests.registry import Caller, Registry, failure, problems, shown

MAX_BYTES = 8_192
"""The largest request that is read."""
AHEAD_S = 30.0
"""A request may come from so far in the future: clocks differ."""
WAITING = 8
"""Requests that wait for the one being done; more are refused."""
BURST, PER_S = 10, 1.0
"""So many of one command at once, and then so many a second."""
WRITTEN_BURST, WRITTEN_PER_S = 30, 0.5
"""Refusals written down; those beyond get their response all the same."""

RETAINED = (
    "it is retained, and a retained request is never done; send it without retain, and clear the topic with an empty "
    "retained message"
)

_log = logging.getLogger(__name__)


class Incoming(NamedTuple):
    """A message on `request/<cmd>`. authenticated: the bin logged in to the broker. claim: who it says it is from."""

    cmd: str
    payload: bytes
    retained: bool
    authenticated: bool
    claim: str | None = None

    @property
    def caller(self) -> Caller:
        claim = "" if self.claim is None else f", says it is {self.claim[:64]!r}"
        broker = "logged in to" if self.authenticated else "open to all"
        return Caller("mqtt", f"somebody at the broker ({broker}){claim}", self.authenticated)


class _Accepted(NamedTuple):
    incoming: Incoming
    request: Request
    arguments: dict[str, Any]


class Desk:
    """A context manager; `take` is for one thread.

    respond: called with command and response, on any thread.
    """

    def __init__(self, registry: Registry, clock: Clock, respond: Callable[[str, ResponsePayload], None]) -> None:
        self._registry, self._clock, self._respond = registry, clock, respond
        self._classes = {cmd: request_class(cmd) for cmd in registry.commands}
        self._limits = {cmd: RateLimit(clock, burst=BURST, per_s=PER_S) for cmd in (*self._classes, "")}
        self._written = RateLimit(clock, burst=WRITTEN_BURST, per_s=WRITTEN_PER_S)
        self._unwritten = 0
        self._waiting: queue.Queue[_Accepted | None] = queue.Queue(WAITING)
        self._under_way: set[str] = set()  # ids that wait or are being done
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Desk:
        self._thread = threading.Thread(target=self._work, name="requests", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """What waits is not done any more; what is being done may end."""
        if self._thread is not None:
            while not self._waiting.empty():
                try:
                    self._waiting.get_nowait()
                except queue.Empty:
                    break
            self._waiting.put(None)
            self._thread.join(timeout=5.0)
            self._thread = None

    def take(self, incoming: Incoming) -> None:
        """A message came. Never raises, and never waits for what it asks."""
        if incoming.retained and not incoming.payload:
            return  # somebody clears a retained request: as it should be
        request_id = None
        try:
            self._limit(incoming.cmd)
            document = self._document(incoming)
            request_id = _readable_id(document)
            if incoming.retained:
                raise CommandError(RETAINED)
            request = self._checked(incoming, document)
            arguments = {name: value for name, value in document.items() if name not in Request.model_fields}
            if self._answered_before(incoming.cmd, request, arguments):
                return
            self._check_age(request)
            self._registry.check_trust(incoming.cmd, incoming.caller)
            self._queue(_Accepted(incoming, request, arguments))
        except CommandError as error:
            self._refuse(incoming, request_id, str(error))

    def _limit(self, cmd: str) -> None:
        known = cmd if cmd in self._classes else ""
        if not self._limits[known].allows():
            raise CommandError(
                f"too many requests: {BURST} at once and then {PER_S:g} a second are done; wait a little"
            )

    def _document(self, incoming: Incoming) -> dict[str, Any]:
        """The message as JSON, when it may be looked at at all. Raises CommandError."""
        if len(incoming.payload) > MAX_BYTES:
            raise CommandError(f"{len(incoming.payload)} bytes, the most is {MAX_BYTES}")
        if incoming.cmd not in self._classes:
            raise CommandError(f"no command {incoming.cmd[:40]!r}; there are {', '.join(self._classes)}")
        try:
            document = json.loads(incoming.payload)
        except (ValueError, RecursionError):
            raise CommandError("not JSON; expected an object with id, ttl_s, ts and the command's arguments") from None
        if not isinstance(document, dict):
            raise CommandError(f"expected a JSON object, found {type(document).__name__}")
        return document

    def _checked(self, incoming: Incoming, document: dict[str, Any]) -> Request:
        try:
            return self._classes[incoming.cmd].model_validate_json(incoming.payload)
        except ValidationError as error:
            raise CommandError(f"{incoming.cmd}: {problems(error)}") from None

    def _answered_before(self, cmd: str, request: Request, arguments: dict[str, Any]) -> bool:
        """Whether this id was answered before, or will be; it then gets the same answer, and nothing more is done."""
        if request.id in self._under_way:
            return True  # its answer comes
        known = self._registry.log.find(request.id)
        if known is None:
            return False
        checked = COMMANDS[cmd].arguments.model_validate(arguments)
        if (known.cmd, known.asked) != (cmd, shown(checked.model_dump())):
            raise CommandError(f"the id {request.id!r} was used for another request before; give each its own")
        if known.response is not None:
            self._respond(cmd, ResponsePayload.model_validate_json(known.response))
        elif known.cut_off:
            raise CommandError("the program ended while this was being done; look at the bin, and ask anew")
        return True

    def _check_age(self, request: Request) -> None:
        if request.ts is None:
            return
        now = self._clock.utc()
        age_s = (now - request.ts) / timedelta(seconds=1)
        clock = f"the bin's clock says {now:%Y-%m-%dT%H:%M:%SZ}"
        if not self._clock.synced():
            clock += ", which is not known to be right"
        if age_s > request.ttl_s:
            raise CommandError(f"expired: sent {age_s:.0f} s ago, ttl_s is {request.ttl_s:g}; {clock}")
        if age_s < -AHEAD_S:
            raise CommandError(f"sent {-age_s:.0f} s in the future; {clock}: set the sender's, or the bin's")

    def _queue(self, accepted: _Accepted) -> None:
        self._under_way.add(accepted.request.id)
        try:
            self._waiting.put_nowait(accepted)
        except queue.Full:
            self._under_way.discard(accepted.request.id)
            raise CommandError(f"{WAITING} requests wait already; ask again when they are done") from None

    def _refuse(self, incoming: Incoming, request_id: str | None, error: str) -> None:
        response = failure(request_id, error)
        if self._written.allows():
            self._registry.refuse(incoming.cmd[:40], {"bytes": len(incoming.payload)}, incoming.caller, response)
            if self._unwritten:
                _log.warning("%d more requests were refused before that", self._unwritten)
                self._unwritten = 0
        else:
            self._unwritten += 1
        # A topic that nobody can subscribe to, or that the broker takes for something else, is not written to.
        self._respond(incoming.cmd if re.fullmatch(r"[\w-]{1,40}", incoming.cmd, re.ASCII) else "unknown", response)

    def _work(self) -> None:
        while (accepted := self._waiting.get()) is not None:
            incoming, request, arguments = accepted
            try:
                self._check_age(request)  # it has waited
                response = self._registry.run(incoming.cmd, arguments, incoming.caller, request.id)
            except CommandError as error:
                response = failure(request.id, str(error))
                self._registry.refuse(incoming.cmd, arguments, incoming.caller, response)
            self._under_way.discard(request.id)
            self._respond(incoming.cmd, response)


def _readable_id(document: dict[str, Any]) -> str | None:
    """The id for the response, when it is one."""
    try:
        return Request.model_validate({"id": document.get("id"), "ttl_s": 1.0}).id
    except ValidationError:
        return None
