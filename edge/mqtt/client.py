"""Publishes what the journal holds, how the bin is, and that it is there. docs/mqtt.md says what goes where.

Threads. One thread, "mqtt", does everything with the network: it connects, publishes, hears acknowledgements and tells
the journal. Any other thread only leaves word (`wake`, `set_state`, leaving the `with` block) and rings a bell, one
byte down a socket pair, which that thread's `select` watches next to the broker's socket. `drain` waits on a condition.

    client.py      the thread: connect, fall back to MQTT 3.1.1, wait longer and longer between attempts
    backoff.py     how long
    session.py     what is said on one connection
    connection.py  one connection, paho-mqtt inside

Nothing that must not be lost is kept here. An event stays in the journal's outbox until its acknowledgement has come;
when a connection ends, everything that was under way on it is simply still in the outbox, and goes again, with the same
id, as backlog. So an event may arrive twice, and is never lost.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex

from paho.mqtt.enums import MQTTProtocolVersion

from edge.config import Mqtt
from edge.domain import Clock
from edge.faults import Faults
from edge.journal import EventJournal
from edge.mqtt.announcer import Announcer
from edge.mqtt.backoff import Backoff
from edge.mqtt.connection import Connection, LostError, NoAnswerError, RefusedError, UntrustedError
from edge.mqtt.credentials import read_credentials
from edge.mqtt.session import Session, Word
from edge.mqtt.topics import OFFLINE, Topics
from edge.payloads import ResponsePayload, StatePayload, TelemetryPayload, UpdatePayload
from edge.requests import Incoming

_LOG = logging.getLogger(__name__)

_JOIN_S = 15.0  # longer than an attempt to connect and a farewell together


class MqttPublisher:
    """Keeps a connection to the broker and publishes on it. A context manager; safe to use from any thread.

    compartments: those whose count is published from the start, at 0. announcer: what tells Home Assistant of the bin.

    Faults: `broker_unreachable`, `broker_refused` (the CONNECT), `broker_untrusted` (its certificate),
    `publish_refused` (a message; MQTT 5 only). Each is cleared when it is over.

    Raises, when entered:
        ConfigError: the password or a certificate cannot be read.
    """

    backoff_s = (0.5, 30.0)
    """The first and the longest wait between attempts to connect; it doubles in between."""

    def __init__(
        self,
        config: Mqtt,
        bin_id: str,
        journal: EventJournal,
        faults: Faults,
        clock: Clock,
        *,
        compartments: Sequence[str] = (),
        announcer: Announcer | None = None,
    ) -> None:
        self._config = config
        self._topics = Topics(bin_id)
        self._journal = journal
        self._faults = faults
        self._clock = clock
        self._compartments = tuple(compartments)
        self._announcer = announcer
        self._thread: threading.Thread | None = None
        self._word = Word()
        self._connected = False
        self._failure: BaseException | None = None
        # MQTT 5 brokers say why they refuse something; a broker that does not speak it gets 3.1.1.
        self._protocol = MQTTProtocolVersion.MQTTv5

    def __enter__(self) -> MqttPublisher:
        self._credentials = read_credentials(self._config)
        self._bell, self._ringer = socket.socketpair()
        self._ringer.setblocking(False)
        self._word.stopping, self._failure = False, None
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Publish what is new, then `offline`, wait for the broker to have it, and disconnect."""
        if self._thread is None:
            return
        self._word.stopping = True
        self._ring()
        self._thread.join(_JOIN_S)
        thread, self._thread = self._thread, None
        if not thread.is_alive():
            self._bell.close()
            self._ringer.close()

    # For any thread.

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted our connection and it still stands."""
        return self._connected

    def wake(self) -> None:
        """The journal has something new."""
        self._check()
        self._ring()

    def set_state(self, state: StatePayload) -> None:
        """How the bin is from now on. Published when it differs from what was published before."""
        self._check()
        with self._word.changed:
            self._word.state = state
        self._ring()

    def set_fill(self, compartment: str, percent: int) -> None:
        """How full a compartment is. Published when it differs from what was published before."""
        self._check()
        with self._word.changed:
            self._word.fill_percent[compartment] = percent
        self._ring()

    def tell(self, telemetry: TelemetryPayload) -> None:
        """Publish this once if the bin is connected, else never: nothing old is sent later."""
        self._check()
        with self._word.changed:
            if not self._connected:
                return
            self._word.telemetry = telemetry
        self._ring()

    def set_image(self, jpeg: bytes) -> None:
        """The newest item's picture. Published now, and on every connection until there is a newer one."""
        with self._word.changed:
            self._word.image = jpeg
        self._ring()

    def set_update(self, update: UpdatePayload) -> None:
        """Which model sorts and how far the next one is. Published when it differs from what was published before."""
        with self._word.changed:
            self._word.update = update
        self._ring()

    def take_requests(self, take: Callable[[Incoming], None] | None) -> None:
        """From now on `take` is called, on the mqtt thread, with what comes on `request/<cmd>`; None: nobody is."""
        with self._word.changed:
            self._word.take_request = take
        self._ring()

    def respond(self, cmd: str, response: ResponsePayload) -> None:
        """Publish a response to a request. One that finds no connection waits for the next."""
        with self._word.changed:
            self._word.responses.append((cmd, response))
        self._ring()

    def drain(self, timeout_s: float) -> int:
        """Wait until the broker has every finished event, at most `timeout_s`. Says how many it does not have."""
        self.wake()
        with self._word.changed:
            self._word.changed.wait_for(lambda: self._failure is not None or self._journal.depth() == 0, timeout_s)
        self._check()
        return self._journal.depth()

    def _check(self) -> None:
        if self._failure is not None:
            raise RuntimeError("the mqtt thread has died of a bug; the program must be started anew") from self._failure

    def _ring(self) -> None:
        if self._thread is not None:
            with suppress(BlockingIOError):  # so many rings wait unheard that one more says nothing new
                self._ringer.send(b"!")

    # The mqtt thread.

    def _run(self) -> None:
        try:
            backoff = Backoff(*self.backoff_s)
            while not self._word.stopping:
                started_s = self._clock.monotonic_s()
                again_at_once = self._connect()
                backoff.ended(self._clock.monotonic_s() - started_s)
                if not again_at_once:
                    self._pause(backoff.next_s())
        except BaseException as failure:  # noqa: BLE001 - `_check` raises it in the daemon's thread
            _LOG.exception("the mqtt thread died")
            self._failure = failure
        finally:
            self._set_connected(False)

    def _pause(self, wait_s: float) -> None:
        until_s = self._clock.monotonic_s() + wait_s
        while not self._word.stopping and (left_s := until_s - self._clock.monotonic_s()) > 0:
            if select.select([self._bell], [], [], left_s)[0]:
                self._bell.recv(4096)

    def _connect(self) -> bool:
        """One connection, from the attempt to its end. True: try the other protocol version at once."""
        will = (self._topics.availability, OFFLINE)
        connection = Connection(
            self._config, self._credentials, self._topics.client_id, will, self._protocol, self._bell
        )
        try:
            connection.open(lambda: self._word.stopping)
            session = self._session(connection)
            session.begin()
            self._report_connected()
            session.run()
        except RefusedError as error:
            if error.protocol_not_spoken and self._fall_back():
                return True
            self._report_refused(error)
        except UntrustedError as error:
            self._report_untrusted(error)
        except NoAnswerError as error:  # some brokers that speak only 3.1.1 hang up on MQTT 5 without a word
            if self._fall_back():
                return True
            self._report_lost(error)
        except LostError as error:
            self._report_lost(error)
        finally:
            connection.drop()
            self._set_connected(False)
        return False

    def _session(self, connection: Connection) -> Session:
        return Session(
            connection,
            self._config,
            self._topics,
            self._journal,
            self._faults,
            self._clock,
            self._word,
            self._compartments,
            self._announcer,
        )

    def _fall_back(self) -> bool:
        """From MQTT 5 to 3.1.1, which may be tried at once; from 3.1.1 back to 5 for the next attempt."""
        fell_back = self._protocol is MQTTProtocolVersion.MQTTv5
        self._protocol = MQTTProtocolVersion.MQTTv311 if fell_back else MQTTProtocolVersion.MQTTv5
        return fell_back

    def _set_connected(self, connected: bool) -> None:
        with self._word.changed:
            self._connected = connected
            self._word.telemetry = None
            self._word.changed.notify_all()

    def _report_connected(self) -> None:
        self._set_connected(True)
        self._clear_but(None)

    def _clear_but(self, code: str | None) -> None:
        """Of what can be wrong with the connection, only one is."""
        for other in ("broker_unreachable", "broker_refused", "broker_untrusted"):
            if other != code:
                self._faults.clear(other)

    def _report_refused(self, error: RefusedError) -> None:
        self._clear_but("broker_refused")
        self._faults.report(
            "broker_refused",
            str(error),
            "check mqtt.username, mqtt.password_file and mqtt.tls.cert_file against the broker's users; events are "
            "kept and sent later",
        )

    def _report_untrusted(self, error: UntrustedError) -> None:
        self._clear_but("broker_untrusted")
        self._faults.report(
            "broker_untrusted",
            str(error),
            "check mqtt.tls.ca_file, that mqtt.host is the name in the broker's certificate, and the clock; events are "
            "kept and sent later",
        )

    def _report_lost(self, error: LostError) -> None:
        if self._word.stopping:
            return
        self._clear_but("broker_unreachable")
        self._faults.report(
            "broker_unreachable",
            str(error),
            "start the broker, or check mqtt.host, mqtt.port and the network; events are kept and sent later",
        )


def probe(config: Mqtt) -> None:
    """Connect as the bin would, and disconnect. A bin that runs meanwhile is not disturbed.

    Raises:
        BrokerError: the broker is not there, or refuses.
        ConfigError: the password or a certificate cannot be read.
    """
    credentials = read_credentials(config)
    bell, ringer = socket.socketpair()
    with bell, ringer:
        for protocol in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
            connection = Connection(config, credentials, f"smartbin-check-{token_hex(4)}", None, protocol, bell)
            may_fall_back = protocol is MQTTProtocolVersion.MQTTv5
            try:
                connection.open(lambda: False)
                return
            except RefusedError as error:
                if not (may_fall_back and error.protocol_not_spoken):
                    raise
            except NoAnswerError:
                if not may_fall_back:
                    raise
            finally:
                connection.close()
