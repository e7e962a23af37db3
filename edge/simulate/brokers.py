"""Brokers that say no: to the connection, to every message, or with a certificate that nobody vouches for."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
NOT_AUTHORISED = 0x87
CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


class SayingNo:
    """Speaks as much MQTT 5 as it takes to refuse. A context manager.

    accepts: the connection; then each message and subscription is refused. tls: certificate and key file; None for
    plain TCP.
    """

    def __init__(self, port: int, *, accepts: bool = False, tls: tuple[Path, Path] | None = None) -> None:
        self._accepts = accepts
        self._tls: ssl.SSLContext | None = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        self._port = port
        self._closing = threading.Event()

    def __enter__(self) -> SayingNo:
        self._server = socket.create_server((HOST, self._port))
        self._server.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve, name="saying-no")
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError, OSError):
                client, _ = self._server.accept()
                with client:
                    client.settimeout(0.05)
                    if self._tls is not None:
                        client.settimeout(2.0)
                        self._tls.wrap_socket(client, server_side=True).close()
                    else:
                        self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        received = b""
        while not self._closing.is_set():
            try:
                more = client.recv(65536)
            except TimeoutError:
                continue
            if not more:
                return
            received += more
            while (packet := _first_packet(received)) is not None:
                kind, flags, body, received = packet
                if kind == CONNECT:
                    client.sendall(bytes([0x20, 3, 0, 0 if self._accepts else NOT_AUTHORISED, 0]))
                    if not self._accepts:
                        return
                elif kind == PUBLISH and flags & 0x06:
                    topic_length = int.from_bytes(body[:2], "big")
                    number = body[2 + topic_length : 4 + topic_length]
                    client.sendall(bytes([0x40, 3]) + number + bytes([NOT_AUTHORISED]))
                elif kind == SUBSCRIBE:
                    client.sendall(bytes([0x90, 4]) + body[:2] + bytes([0, NOT_AUTHORISED]))
                elif kind == PINGREQ:
                    client.sendall(bytes([0xD0, 0]))


def _first_packet(received: bytes) -> tuple[int, int, bytes, bytes] | None:
    """(kind, flags, body, the rest); None while it is not complete."""
    length = shift = 0
    for at, byte in enumerate(received[1:5], 1):
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            body = received[at + 1 : at + 1 + length]
            if len(body) < length:
                return None
            return received[0] >> 4, received[0] & 0x0F, body, received[at + 1 + length :]
    return None


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for the loopback address that vouches for itself, and its key: files in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now - timedelta(days=1),
            now + timedelta(days=1),
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem, key_file
