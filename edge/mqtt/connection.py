"""One connection to the broker: the only module that touches paho-mqtt.

paho runs without a thread of its own here: the caller's thread opens the connection, publishes, and waits in `poll`,
and paho's callbacks, which only take notes, run inside those calls. Nothing outlives the connection: every one has a
new paho client with a clean session, so that paho never sends again on its own what an earlier connection left.
"""

from __future__ import annotations

import math
import re
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.config import Mqtt
from edge.errors import BrokerError
from edge.mqtt.credentials import Credentials

_TCP_TIMEOUT_S = 3.0
_CONNACK_TIMEOUT_S = 5.0
_TICK_S = 1.0
"""How often paho must look at its keep-alive timers."""

_UNSUPPORTED_PROTOCOL = 0x84
_MAX_IN_FLIGHT = 10
"""Unacknowledged messages at one time; paho keeps the rest waiting. MQTT 5 brokers end a connection that has more than
they take: HiveMQ 10, Mosquitto 20, others more. paho cannot change it once the broker has said its number."""

_MAX_PACKET_BYTES = 65_536
"""An MQTT 5 broker does not send us a larger one; requests are a tenth of it at most."""
_CLAIM = "who"
"""The user property by which a sender of MQTT 5 says who it is."""


class LostError(BrokerError):
    """There is no connection: the broker cannot be reached, or the connection ended."""


class NoAnswerError(LostError):
    """A connection was made, and ended or stayed silent before the broker answered our CONNECT."""


class UntrustedError(BrokerError):
    """The broker's certificate is not one that we trust; nothing was said to it."""


class RefusedError(BrokerError):
    """The broker answered our CONNECT, or our certificate, with a no. reason: the broker's own."""

    def __init__(self, where: str, reason: str, *, protocol_not_spoken: bool = False) -> None:
        super().__init__(f"{where} refused the connection: {reason}")
        self.reason = reason
        self.protocol_not_spoken = protocol_not_spoken


class Ack(NamedTuple):
    """The broker's answer to what was published under `mid`. refusal: its reason for a no, else None."""

    mid: int
    refusal: str | None


class Received(NamedTuple):
    """A message that came. claim: what its user property `who` says, MQTT 5 only; nobody has checked it."""

    topic: str
    payload: bytes
    retained: bool
    claim: str | None


class Connection:
    """One connection, from CONNECT to its end. For one thread.

    will: topic and payload that the broker publishes, retained, when the connection ends without goodbye.
    bell: a socket that ends `poll` early when a byte comes in. keep_session_s: how long an MQTT 5 broker keeps
    subscriptions, and what comes for them, when the connection ends without goodbye. max_receiving: messages that it
    may have under way to us.
    """

    def __init__(
        self,
        config: Mqtt,
        credentials: Credentials,
        client_id: str,
        will: tuple[str, str] | None,
        protocol: MQTTProtocolVersion,
        bell: socket.socket,
        *,
        keep_session_s: int = 0,
        max_receiving: int = _MAX_IN_FLIGHT,
    ) -> None:
        self._config = config
        self._keep_session_s, self._max_receiving = keep_session_s, max_receiving
        self._bell = bell
        self._where = f"{config.host}:{config.port}"
        self._kind = "a broker" if credentials.tls is None else "a broker that speaks TLS"
        # It says so, but what it says may be lost with the connection.
        self._hint = "" if credentials.tls is None else ", as one does that does not take this bin's certificate"
        self._answer: ReasonCode | None = None
        self._ended: str | None = None
        self._alert: str | None = None
        self._acks: list[Ack] = []
        self._received: list[Received] = []
        self._subscribing: dict[int, str] = {}
        self.subscriptions: dict[str, str | None] = {}
        """Pattern → the broker's reason for a no, None for a yes; not in it while it has not answered."""
        self._mqtt5 = protocol is MQTTProtocolVersion.MQTTv5
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False)
        self._client.connect_timeout = _TCP_TIMEOUT_S
        self._client.max_inflight_messages_set(_MAX_IN_FLIGHT)
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1, retain=True)
        if config.username is not None:
            self._client.username_pw_set(config.username, credentials.password)
        if credentials.tls is not None:
            self._client.tls_set_context(credentials.tls)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.on_log = self._on_log

    def open(self, give_up: Callable[[], bool]) -> None:
        """Connect and wait for the broker's yes. `give_up` is asked now and then; its True raises LostError.

        Raises:
            UntrustedError: the broker's certificate is not trusted.
            RefusedError: the broker said no.
            NoAnswerError: the broker said nothing.
            LostError: no TCP connection, or no TLS on it.
        """
        try:
            self._client.connect(
                self._config.host, self._config.port, keepalive=self._config.keepalive_s,
                clean_start=not self._keep_session_s if self._mqtt5 else MQTT_CLEAN_START_FIRST_ONLY,
                properties=self._limits(),
            )  # fmt: skip
        except ssl.SSLCertVerificationError as error:
            raise UntrustedError(f"the certificate of {self._where} is not trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise LostError(f"{self._where} does not answer as a TLS server: {error.reason or error}") from None
        except OSError as error:  # refused, unreachable, timed out, no such name
            raise LostError(f"cannot reach {self._kind} at {self._where}: {error.strerror or error}") from None
        deadline_s = time.monotonic() + _CONNACK_TIMEOUT_S
        while self._answer is None:
            if give_up() or time.monotonic() > deadline_s:
                self.drop()
                raise NoAnswerError(f"{self._where} takes connections but does not answer as an MQTT broker")
            try:
                self.poll(deadline_s - time.monotonic())
            except LostError:
                if self._answer is None and self._alert is not None:
                    raise RefusedError(self._where, f"TLS alert: {self._alert}") from None
                if self._answer is None:
                    raise NoAnswerError(f"{self._where} closed the connection without an answer{self._hint}") from None
        if self._answer.is_failure:
            self.drop()
            not_spoken = self._answer.value == _UNSUPPORTED_PROTOCOL
            raise RefusedError(self._where, str(self._answer), protocol_not_spoken=not_spoken)

    def publish(self, topic: str, payload: str | bytes, *, retain: bool, qos: int = 1) -> int:
        """Send; with QoS 1 `poll` will give the Ack with the number returned. Raises LostError.

        With QoS 0 nobody answers; what `poll` then gives for this number says only that paho has written it.
        """
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.drop()
            raise LostError(f"the connection to {self._where} ended: {self._ended or 'it cannot be written to'}")
        return info.mid

    def subscribe(self, pattern: str) -> None:
        """Ask for what comes on the pattern's topics, with QoS 1; `received` gives it. Raises LostError.

        With MQTT 5 the broker passes on whether a message was sent to be retained, even when it comes at once.
        """
        if self._mqtt5:
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            code, mid = self._client.subscribe(pattern, options=options)
        else:
            code, mid = self._client.subscribe(pattern, qos=1)
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            self.drop()
            raise LostError(f"the connection to {self._where} ended: {self._ended or 'it cannot be written to'}")
        self._subscribing[mid] = pattern

    def received(self) -> list[Received]:
        """What came since this was asked last."""
        received, self._received = self._received, []
        return received

    def _limits(self) -> Properties | None:
        """What an MQTT 5 broker must know of us when we connect."""
        if not self._mqtt5:
            return None
        limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        limits.MaximumPacketSize = _MAX_PACKET_BYTES
        limits.ReceiveMaximum = self._max_receiving
        if self._keep_session_s:
            limits.SessionExpiryInterval = self._keep_session_s
        return limits

    def poll(self, timeout_s: float) -> list[Ack]:
        """Wait for the broker, the bell, or the timeout, at most a second; gives what was acknowledged.

        Raises:
            LostError: the connection has ended.
        """
        sock = self._client.socket()
        if sock is None:
            return self.serve(readable=False)
        if _has_decrypted(sock):
            timeout_s = 0.0  # the socket would not show it
        waiting = select.poll()  # not select.select: that takes no descriptor above 1023
        waiting.register(sock, select.POLLIN | (select.POLLOUT if self.wants_to_write else 0))
        waiting.register(self._bell, select.POLLIN)
        ready = dict(waiting.poll(math.ceil(1000 * max(0.0, min(timeout_s, _TICK_S)))))
        if self._bell.fileno() in ready:
            self._bell.recv(4096)
        return self.serve(readable=bool(ready.get(sock.fileno(), 0) & ~select.POLLOUT))

    # What `poll` is made of, for a program that waits for many connections at one time.

    def fileno(self) -> int:
        """The socket's descriptor; -1 when there is none any more."""
        sock = self._client.socket()
        return -1 if sock is None else sock.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits until the socket takes it."""
        return bool(self._client.want_write())

    def serve(self, *, readable: bool) -> list[Ack]:
        """Read where there is something to read, write what waits, look at the keep-alive; once a second at least.

        Raises:
            LostError: the connection has ended.
        """
        sock = self._client.socket()
        if sock is not None:
            while readable or (self._client.socket() is not None and _has_decrypted(sock)):
                self._client.loop_read()
                readable = False
            if self.wants_to_write:
                self._client.loop_write()
            self._client.loop_misc()
        acks, self._acks = self._acks, []
        if not acks and not self._received and (self._ended is not None or self._client.socket() is None):
            raise LostError(f"the connection to {self._where} ended: {self._ended or 'closed'}")
        return acks

    def close(self) -> None:
        """Say goodbye: the broker does not publish the last will, and ends the session."""
        properties = None
        if self._mqtt5 and self._keep_session_s:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        self.drop()

    def drop(self) -> None:
        """Close without goodbye: the broker publishes the last will, if it had accepted the connection."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answer = reason

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._ended = str(reason) if flags.is_disconnect_packet_from_server else "closed"

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._acks.append(Ack(mid, str(reason) if reason.is_failure else None))

    def _on_subscribe(
        self, client: Client, userdata: Any, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        if mid in self._subscribing:
            refusals = [str(reason) for reason in reasons if reason.is_failure]
            self.subscriptions[self._subscribing.pop(mid)] = "; ".join(refusals) or None

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # a broker that passes such a thing on is broken; nothing of ours is on it
            return
        said = getattr(message.properties, "UserProperty", []) if message.properties is not None else []
        claim = next((value for name, value in said if name == _CLAIM), None)
        self._received.append(Received(topic, bytes(message.payload), bool(message.retain), claim))

    def _on_log(self, client: Client, userdata: Any, level: int, text: str) -> None:
        """The one thing that paho says only here: why a TLS connection was ended by the other side."""
        if found := re.search(r"alert ([a-z ]+)", text):  # "[SSL: …] tlsv13 alert certificate required (_ssl.c:…)"
            self._alert = found[1].strip()


def _has_decrypted(sock: object) -> bool:
    """Whether something of a TLS connection is decrypted already, and not read yet."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
