"""What simulated bins send: messages by topic, and bytes on the wire."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from functools import lru_cache
from typing import Any, NamedTuple

from edge.mqtt.catalogue import channel_of
from edge.mqtt.connection import Ack, Connection

_TCP_INFO_BYTES = 256
_ACKED_AND_RECEIVED = struct.Struct("<QQ")
_ACKED_AT = 120  # tcpi_bytes_acked, tcpi_bytes_received: linux/tcp.h, Linux 4.1 and later


class Sent(NamedTuple):
    """messages, bytes: by topic, of MQTT packets. out, back: bytes of the TCP connections, acknowledgements and
    keep-alive among them; None where this system does not tell.
    """

    messages: Counter[str]
    bytes: Counter[str]
    out: int | None
    back: int | None

    def since(self, before: Sent) -> Sent:
        out = None if self.out is None or before.out is None else self.out - before.out
        back = None if self.back is None or before.back is None else self.back - before.back
        return Sent(self.messages - before.messages, self.bytes - before.bytes, out, back)


class Tally:
    """Counts for many connections of one thread."""

    def __init__(self) -> None:
        self._messages, self._bytes = Counter[str](), Counter[str]()
        self._open: dict[int, socket.socket] = {}
        self._closed: tuple[int, int] | None = (0, 0)

    def add(self, topic: str, payload: str | bytes, qos: int) -> None:
        path = _path(topic.split("/", 2)[2])
        self._messages[path] += 1
        self._bytes[path] += packet_bytes(topic, payload, qos)

    def watch(self, sock: Any) -> None:
        """A connection stands."""
        self._open[id(sock)] = sock

    def leave(self, sock: Any) -> None:
        """It is about to be closed."""
        if self._open.pop(id(sock), None) is not None:
            self._closed = _together([self._closed, wire_bytes(sock)])

    def now(self) -> Sent:
        """All so far."""
        carried = _together([self._closed, *(wire_bytes(sock) for sock in self._open.values())])
        out, back = carried or (None, None)
        return Sent(Counter(self._messages), Counter(self._bytes), out, back)


def _together(parts: list[tuple[int, int] | None]) -> tuple[int, int] | None:
    """Their sum, where each is known."""
    known = [part for part in parts if part is not None]
    return (sum(out for out, _ in known), sum(back for _, back in known)) if len(known) == len(parts) else None


class CountedConnection(Connection):
    """A bin's connection that a Tally knows of. retained: the topics on which the broker keeps something of the bin."""

    def __init__(self, *args: Any, tally: Tally, retained: set[str]) -> None:
        super().__init__(*args)
        self._tally, self._retained, self._unanswered = tally, retained, set[int]()
        self._client.on_socket_close = self._on_socket_close

    def count_in(self) -> None:
        """It is open, and the caller is on the tally's thread."""
        sock = self._client.socket()
        if sock is not None:
            self._tally.watch(sock)

    def publish(self, topic: str, payload: str | bytes, *, retain: bool, qos: int = 1) -> int:
        self._tally.add(topic, payload, qos)
        if retain:
            (self._retained.add if payload else self._retained.discard)(topic)
        mid = super().publish(topic, payload, retain=retain, qos=qos)
        if qos:
            self._unanswered.add(mid)
        return mid

    @property
    def sending(self) -> bool:
        """Whether the broker has something to acknowledge."""
        return bool(self._unanswered)

    def serve(self, *, readable: bool) -> list[Ack]:
        acks = super().serve(readable=readable)
        self._unanswered.difference_update(ack.mid for ack in acks)
        return acks

    def drop(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            self._tally.leave(sock)
        super().drop()

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        self._tally.leave(sock)


def packet_bytes(topic: str, payload: str | bytes, qos: int) -> int:
    """The length of the MQTT 5 PUBLISH packet, without properties."""
    body = 2 + len(topic.encode()) + (2 if qos else 0) + 1
    body += len(payload.encode() if isinstance(payload, str) else payload)
    length_bytes = 1
    while body >= 128**length_bytes:
        length_bytes += 1
    return 1 + length_bytes + body


def wire_bytes(sock: socket.socket) -> tuple[int, int] | None:
    """Bytes of this TCP connection that the other side has, and that it sent; None where the system does not tell."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        acked, received = _ACKED_AND_RECEIVED.unpack_from(info, _ACKED_AT)
    except (OSError, struct.error):
        return None
    return acked, received


@lru_cache(maxsize=1000)
def _path(below: str) -> str:
    return channel_of(below).path
