"""What the bin proves itself with, and what it trusts: the broker's password, and TLS. Read anew at each start."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from edge.config import Mqtt
from edge.config.mqtt import Tls
from edge.errors import ConfigError
from edge.scrub import know


@dataclass(frozen=True)
class Credentials:
    """password: None without one. tls: None for a connection that is not encrypted."""

    password: str | None
    tls: ssl.SSLContext | None


class _ClosedWhenRefused(ssl.SSLSocket):
    """paho-mqtt leaves a socket open whose handshake failed; it would stay so until the garbage collector comes."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def read_credentials(config: Mqtt) -> Credentials:
    """Read every file that the config names.

    Raises:
        ConfigError: one cannot be read, or does not hold what it should; says which.
    """
    return Credentials(_password(config), None if config.tls is None else _context(config.tls))


def _password(config: Mqtt) -> str | None:
    if config.password_file is None:
        return None
    where = f"mqtt.password_file: {config.password_file}"
    if config.username is None:
        raise ConfigError(f"{where}: a password goes with a user; set mqtt.username too")
    try:
        lines = config.password_file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ConfigError(f"{where}: {reason}; put the password on the first line of that file") from None
    if not lines or not lines[0]:
        raise ConfigError(f"{where}: its first line is empty; put the password there")
    know(lines[0])
    return lines[0]


def _context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or later; the broker's certificate and its name are always checked."""
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"mqtt.tls.ca_file: {tls.ca_file}: {_reason(error)}; expected the authority's certificate in PEM"
        ) from None
    context.sslsocket_class = _ClosedWhenRefused
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert_file is not None and tls.key_file is not None:
        for name, file in (("cert_file", tls.cert_file), ("key_file", tls.key_file)):
            try:
                file.read_bytes()
            except OSError as error:
                raise ConfigError(f"mqtt.tls.{name}: {file}: {_reason(error)}") from None
        try:
            # The password of a key without one is never asked for; without it OpenSSL would ask on a terminal.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except ssl.SSLError as error:
            raise ConfigError(
                f"mqtt.tls.cert_file, key_file: {tls.cert_file}, {tls.key_file}: {_reason(error)}; expected this bin's "
                "certificate and its key in PEM, the key without a passphrase"
            ) from None
    return context


def _reason(error: OSError) -> str:
    """In words; OpenSSL's names its own source file when it has none."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return error.strerror or str(error)
