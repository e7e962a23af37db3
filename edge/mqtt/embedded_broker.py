"""A small broker that runs inside the program, for simulation and for a bin without a network.

It is amqtt's, which speaks MQTT 3.1.1 only, on loopback, without passwords. Nothing is kept on disk: retained messages
go when it stops. Alone, as a process of its own:

    python -m edge.mqtt.embedded_broker --port 1883

Three things amqtt 0.12 does wrong are put right here:
- It reads an MQTT 5 CONNECT as if it were 3.1.1. When that CONNECT holds a last will, it takes part of the client id
  for a length and waits for kilobytes that never come: the client hears nothing. So the listening socket is ours, and
  answers such a CONNECT at once with "unsupported protocol version", upon which clients fall back.
- It sends a client that connects the retained messages of everybody else's subscriptions, and breaks that connection
  when somebody subscribes meanwhile. See `_Broker`.
- When it stops, it leaves connections open, or waits for them for ever. Here they are closed and awaited first.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import signal
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from edge.errors import BrokerError

_LOG = logging.getLogger(__name__)

_FIRST_PACKET_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 10.0
_CONNECT = 0x10
_CONNECT_OF_MQTT5 = b"\x00\x04MQTT\x05"
_REFUSE_MQTT5 = bytes([0x20, 3, 0, 0x84, 0])  # CONNACK, unsupported protocol version, no properties


class _Broker(Broker):  # type: ignore[misc]
    """amqtt's broker, which sends retained messages only to those who subscribed to them."""

    async def _publish_retained_messages_for_subscription(self, subscription: tuple[str, int], session: Any) -> None:
        if any(subscriber is session for subscriber, _ in self.subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)


class EmbeddedBroker:
    """A broker in a thread of its own. A context manager: when entered it listens, when left all of it is gone.

    host: loopback. port: 0 takes a free one, which `port` then names.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 1883) -> None:
        self.host = host
        self.port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> EmbeddedBroker:
        # What clients do wrong is not the bin's trouble: amqtt logs an error for every connection that says nothing.
        for name, level in (("amqtt", logging.CRITICAL), ("transitions", logging.WARNING)):
            logger = logging.getLogger(name)
            if logger.level == logging.NOTSET:
                logger.setLevel(level)
        listening: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening)), name="broker", daemon=True)
        self._thread.start()
        try:
            self.port = listening.result()
        except OSError as error:
            self._thread.join()
            self._thread = None
            if error.errno == errno.EADDRINUSE:
                raise BrokerError(
                    f"{self.host}:{self.port} is taken, probably by another broker; "
                    "set mqtt.port, or mqtt.embedded_broker: false to use that one"
                ) from None
            raise BrokerError(
                f"cannot listen on {self.host}:{self.port}: {error.strerror or error}; set mqtt.host and mqtt.port"
            ) from None
        return self

    def __exit__(self, *exc: object) -> None:
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_TIMEOUT_S)
        self._thread = None

    async def _serve(self, listening: Future[int]) -> None:
        """The thread: listen, hand connections to amqtt, and take everything down again."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        broker = _Broker(
            BrokerConfig(
                listeners={"default": ListenerConfig(type=ListenerType.EXTERNAL)},
                plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            )
        )

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(_connection(broker, reader, writer))
            connections[task] = writer
            task.add_done_callback(connections.pop)

        try:
            server = await asyncio.start_server(accept, self.host, self.port)
        except OSError as error:
            listening.set_exception(error)
            return
        await broker.start()
        listening.set_result(int(server.sockets[0].getsockname()[1]))
        await self._stop.wait()
        for _ in range(5):  # asyncio loses, unclosed, a connection that is half accepted when its server closes
            await asyncio.sleep(0)
        server.close()
        # Connections first, by the end of their input: amqtt's shutdown cancels its readers, waits for them without
        # limit, and before Python 3.12 a reader that has just got a packet misses the cancellation.
        while connections:
            for writer in connections.values():
                writer.close()
            _, stuck = await asyncio.wait(connections, timeout=1.0)
            for task in stuck:
                task.cancel()
        await broker.shutdown()
        await server.wait_closed()
        # amqtt leaves tasks behind (deliveries that wait for a client's answer); asyncio.run cancels and awaits them.


async def _connection(broker: Broker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One client, from its first byte to its last."""
    try:
        head = await asyncio.wait_for(_first_bytes(reader), _FIRST_PACKET_TIMEOUT_S)
        if head[0] == _CONNECT and head.endswith(_CONNECT_OF_MQTT5):
            writer.write(_REFUSE_MQTT5)
            await writer.drain()
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 1.0)  # closing with unread input would reset the connection
        else:
            await broker.external_connected(_Resumed(reader, head), StreamWriterAdapter(writer), "default")
    except (OSError, EOFError, asyncio.TimeoutError):
        pass  # the client went away, or never said anything
    except Exception:  # noqa: BLE001 - whatever amqtt raises here ends this connection only
        _LOG.exception("the embedded broker failed on one connection and closed it")
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _first_bytes(reader: asyncio.StreamReader) -> bytes:
    """The fixed header of the first packet and, of a CONNECT, the protocol's name and version."""
    head = await reader.readexactly(2)
    while head[-1] & 0x80 and len(head) < 5:  # the packet's length: 7 bits a byte, the lowest first
        head += await reader.readexactly(1)
    length = sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(head[1:]))
    return head + await reader.readexactly(min(length, len(_CONNECT_OF_MQTT5)))


class _Resumed(StreamReaderAdapter):  # type: ignore[misc]
    """A connection whose first bytes were read already: they come first, then the rest."""

    def __init__(self, reader: asyncio.StreamReader, head: bytes) -> None:
        super().__init__(reader)
        self._head = head

    async def read(self, n: int = -1) -> bytes:
        part, self._head = (self._head, b"") if n < 0 else (self._head[:n], self._head[n:])
        rest: bytes = await super().read(n if n < 0 else n - len(part)) if n < 0 or len(part) < n else b""
        return part + rest


def main() -> None:
    """Run the broker alone until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m edge.mqtt.embedded_broker", description=main.__doc__)
    parser.add_argument("--port", type=int, default=1883, help="0 takes a free one (default: 1883)")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with EmbeddedBroker(port=parser.parse_args().port) as broker:
            print(f"listening on {broker.host}:{broker.port}", flush=True)
            stop.wait()
    except BrokerError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
