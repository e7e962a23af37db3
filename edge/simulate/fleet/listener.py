"""A process that hears the events of all bins, and keeps which and when.

    python -m edge.simulate.fleet.listener

reads its order from the first line of its input, says `listening` when it is subscribed, and ends with its input. Its
session is persistent: what comes while it is away waits at the broker.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from uuid import UUID

from paho.mqtt.enums import MQTTProtocolVersion

from edge.config import Mqtt
from edge.errors import BrokerError
from edge.mqtt.backoff import Backoff
from edge.mqtt.connection import Connection, LostError
from edge.mqtt.credentials import read_credentials
from edge.simulate.fleet.judge import RECORD, Heard, read_heard

_KEEP_SESSION_S = 3600
_MAX_RECEIVING = 1000
_BACKOFF_S = (0.2, 2.0)
_READY = "listening"
_STOP_S = 10.0


class Listener:
    """Such a process, for the one that starts it. A context manager: when entered it is subscribed.

    path: where it keeps what it hears.

    Raises, when entered:
        BrokerError: the broker does not take it.
    """

    def __init__(self, mqtt: Mqtt, client_id: str, pattern: str, path: Path) -> None:
        self._order = {"mqtt": mqtt.model_dump(mode="json"), "client_id": client_id, "pattern": pattern}
        self._path = path

    def __enter__(self) -> Listener:
        self._path.touch()
        command = [sys.executable, "-m", "edge.simulate.fleet.listener"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,  # Ctrl-C is for the one that starts it
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(self._order | {"path": str(self._path)}) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        if said != _READY:
            self.__exit__(None, None, None)
            raise BrokerError(said or "the listener ended; see above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def heard(self) -> list[Heard]:
        """All so far."""
        return read_heard(self._path)

    def count(self) -> int:
        """How many."""
        return self._path.stat().st_size // RECORD.size


def listen(
    mqtt: Mqtt, client_id: str, pattern: str, file: BinaryIO, bell: socket.socket, over: threading.Event
) -> None:
    """Subscribe, come back after every loss, and write records, until `over`."""
    credentials, backoff, told = read_credentials(mqtt), Backoff(*_BACKOFF_S), False
    while not over.is_set():
        started_s = time.monotonic()
        connection = Connection(
            mqtt, credentials, client_id, None, MQTTProtocolVersion.MQTTv5, bell, keep_session_s=_KEEP_SESSION_S,
            max_receiving=_MAX_RECEIVING,
        )  # fmt: skip
        try:
            connection.open(over.is_set)
            connection.subscribe(pattern)
            while not over.is_set():
                connection.poll(1.0)
                _keep(connection, file)
                if not told and pattern in connection.subscriptions:
                    _tell(connection.subscriptions[pattern], pattern)
                    told = True
            connection.close()
        except LostError:
            if not told:
                raise
            backoff.ended(time.monotonic() - started_s)
            over.wait(backoff.next_s())
        finally:
            connection.drop()


def _tell(refusal: str | None, pattern: str) -> None:
    if refusal is not None:
        raise BrokerError(f"the broker does not let this user hear {pattern}: {refusal}")
    print(_READY, flush=True)


def _keep(connection: Connection, file: BinaryIO) -> None:
    now_s = time.monotonic()
    for message in connection.received():
        try:
            event = json.loads(message.payload)
            file.write(RECORD.pack(UUID(event["event_id"]).bytes, now_s, bool(event["historical"])))
        except (ValueError, TypeError, KeyError):
            continue  # of somebody else's; ours are counted, and would be missed
    file.flush()


def main() -> None:
    order = json.loads(sys.stdin.readline())
    bell, ringer = socket.socketpair()
    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()
        ringer.send(b"!")

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    with bell, ringer, Path(order["path"]).open("ab") as file:
        try:
            listen(Mqtt.model_validate(order["mqtt"]), order["client_id"], order["pattern"], file, bell, over)
        except BrokerError as error:
            print(error, flush=True)
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
