"""Brokers to test against, a subscriber that remembers what it saw, and events to publish.

Loaded as a pytest plugin by tests/conftest.py.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID, uuid4

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.domain import Decision, ModelId, Outcome, Reason, Scored, SortEvent
from edge.mqtt.embedded_broker import EmbeddedBroker
from tests.patience import PATIENCE

Found = TypeVar("Found")

BOOT_ID = uuid4()
LIMITED, ALLOWED, PASSWORD = "limited", "bin", "correct horse"
"""The users of `guarded_broker`: one may write availability and state only, one everything; both have this password."""


def sample_event(
    seq: int, compartment: str = "glass", outcome: Outcome = Outcome.PENDING, event_id: UUID | None = None
) -> SortEvent:
    """One sorted item, as the sorter makes it."""
    return SortEvent(
        event_id=event_id or uuid4(),
        boot_id=BOOT_ID,
        seq=seq,
        at=datetime(2026, 3, 1, 12, 0, seq % 60, tzinfo=timezone.utc),
        clock_synced=True,
        top3=(Scored("glass", 0.94), Scored("plastic", 0.04), Scored("metal", 0.02)),
        novelty=-7.25,
        decision=Decision(compartment, "glass", True, Reason.CONFIDENT, 0.06, p_right=0.94),
        outcome=outcome,
        engine="onnxruntime-int8",
        model=ModelId("resnet50-trashnet", "1.0.0", "0" * 64),
        timings_ms={"capture": 4.1, "preprocess": 0.6, "infer": 17.9, "decide": 0.1, "actuate": 812.0},
        frame_age_ms=21.0,
        sharpness=143.2,
        luma=118.4,
    )


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BrokerUnderTest(Protocol):
    """A broker on loopback that can be taken away and brought back on the same port. It keeps nothing meanwhile."""

    host: str
    port: int

    def stop(self) -> None: ...

    def restart(self) -> None: ...


class Embedded:
    """The broker that ships."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._broker = EmbeddedBroker(self.host, 0).__enter__()
        self.port = self._broker.port

    def stop(self) -> None:
        self._broker.__exit__()

    def restart(self) -> None:
        self._broker = EmbeddedBroker(self.host, self.port).__enter__()


PROGRAMS = {"mosquitto": "mosquitto", "mosquitto_passwd": "mosquitto", "mosquitto_pub": "mosquitto-clients"}
"""What a test marked `needs_mosquitto` may run, and Debian's package with it."""


def program_at(name: str) -> str:
    """Where one of PROGRAMS is; the test is skipped where it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"the {name} program is not installed (Debian package {PROGRAMS[name]})")
    return found


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_mosquitto"):
        for name in PROGRAMS:
            program_at(name)


class Mosquitto:
    """Eclipse Mosquitto, as a process. log: what it has said so far."""

    host = "127.0.0.1"

    def __init__(self, folder: Path, *extra: str) -> None:
        program = program_at("mosquitto")
        self.port = free_port()
        self.log: list[str] = []
        self._said = threading.Condition()
        config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} {self.host}", "persistence false", "log_dest stderr", "log_type all", *extra]
        if os.geteuid() == 0:
            lines.append("user root")  # else it gives up root and cannot read the folder
        config.write_text("\n".join(lines) + "\n")
        self._command = [program, "-c", str(config)]
        self.restart()

    def restart(self) -> None:
        self.log.clear()
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self.wait_for_log("running", "the broker to start")

    def stop(self) -> None:
        while self._process.poll() is None:
            self._process.terminate()  # Mosquitto forgets a SIGTERM that comes right after its start
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def wait_for_log(self, part: str, what: str) -> str:
        """The first line of its log that holds `part`."""
        with self._said:
            assert self._said.wait_for(lambda: any(part in line for line in self.log), 10), (what, self.log)
            return next(line for line in self.log if part in line)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._said:
                self.log.append(line)
                self._said.notify_all()


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.needs_mosquitto)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerUnderTest]:
    """Every broker the bin is known to work with, open to everybody."""
    running: BrokerUnderTest = (
        Embedded() if request.param == "embedded" else Mosquitto(tmp_path, "allow_anonymous true")
    )
    yield running
    running.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Mosquitto, open to everybody. Mark the test `needs_mosquitto`."""
    running = Mosquitto(tmp_path, "allow_anonymous true")
    yield running
    running.stop()


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Mosquitto that wants a password. Mark the test `needs_mosquitto`."""
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    passwords.touch(mode=0o600)
    rights.write_text(
        f"user {ALLOWED}\ntopic readwrite #\n"
        f"user {LIMITED}\ntopic write smartbin/+/availability\ntopic write smartbin/+/state\n"
    )
    program = program_at("mosquitto_passwd")
    for user in (ALLOWED, LIMITED):
        subprocess.run([program, "-b", str(passwords), user, PASSWORD], check=True, capture_output=True)
    running = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}")
    yield running
    running.stop()


class Message(NamedTuple):
    """What a subscriber received. retained: it was there before the subscription."""

    topic: str
    payload: bytes
    retained: bool


class Watcher:
    """Subscribes, and remembers what comes. A context manager: when entered it is subscribed.

    After an outage it subscribes again by itself; `wait_subscribed(2)` waits for the second time.
    """

    def __init__(self, host: str, port: int, pattern: str = "smartbin/#", user: str | None = None) -> None:
        self._host = host
        self._port = port
        self._pattern = pattern
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._subscriptions = 0
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        if user is not None:
            self._client.username_pw_set(user, PASSWORD)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Watcher:
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        self.wait_subscribed(1)
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # Out of the cycle with this object: the client closes its sockets when it goes, not when it is collected.
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None

    @property
    def messages(self) -> list[Message]:
        """All messages so far."""
        with self._changed:
            return list(self._messages)

    def payloads(self, topic: str) -> list[str]:
        """What came on one topic so far."""
        return [message.payload.decode() for message in self.messages if message.topic == topic]

    def wait_for(self, wanted: Callable[[Message], bool], timeout_s: float = 15.0) -> Message:
        """The first message, of those so far or to come, that is wanted."""
        return self.wait_until(lambda seen: next((message for message in seen if wanted(message)), None), timeout_s)

    def wait_until(self, found: Callable[[list[Message]], Found | None], timeout_s: float = 15.0) -> Found:
        """Wait until `found(messages)` is true-ish, and give it."""
        with self._changed:
            if answer := self._changed.wait_for(lambda: found(self._messages), PATIENCE * timeout_s):
                return answer
            seen = "\n".join(f"  {message.topic} {message.payload[:120]!r}" for message in self._messages)
            raise AssertionError(f"not seen within {PATIENCE * timeout_s:g} s; there were:\n{seen or '  no messages'}")

    def wait_for_payload(self, topic: str, payload: str) -> None:
        """Wait until the newest message on `topic` is `payload`."""
        self.wait_until(lambda seen: [m.payload.decode() for m in seen if m.topic == topic][-1:] == [payload])

    def wait_subscribed(self, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._subscriptions >= times, 15 * PATIENCE), (
                "the watcher could not subscribe"
            )

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(self._pattern, qos=1)

    def _on_subscribe(self, *_: Any) -> None:
        with self._changed:
            self._subscriptions += 1
            self._changed.notify_all()

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        with self._changed:
            self._messages.append(Message(message.topic, bytes(message.payload), message.retain))
            self._changed.notify_all()


class ScriptedBroker:
    """Answers a CONNECT as told, and nothing else ever. For brokers that misbehave.

    answer: protocol level (4 is 3.1.1, 5 is 5) → the bytes sent back, or None to close the connection.
    """

    host = "127.0.0.1"

    def __init__(self, answer: Callable[[int], bytes | None]) -> None:
        self._answer = answer
        self.levels: list[int] = []
        self._open: list[socket.socket] = []
        self._server = socket.create_server((self.host, 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> ScriptedBroker:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        for connection in self._open:
            connection.close()

    def wait_until_heard(self, part: bytes) -> None:
        """Wait until the newest client has said this."""
        self._open[-1].settimeout(15 * PATIENCE)
        heard = b""
        while part not in heard:
            more = self._open[-1].recv(4096)
            assert more, f"hung up without having said {part!r}"
            heard += more

    def wait_until_hung_up(self) -> None:
        """Wait until the newest client has closed its connection."""
        self._open[-1].settimeout(15)
        with contextlib.suppress(ConnectionResetError):
            while self._open[-1].recv(4096):
                pass

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the end: shut down
            while True:
                connection, _ = self._server.accept()
                self._open.append(connection)
                level = connection.recv(4096)[8]
                self.levels.append(level)
                answer = self._answer(level)
                if answer is None:
                    connection.close()
                else:
                    connection.sendall(answer)
