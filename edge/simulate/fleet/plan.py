"""What is asked of a simulated fleet, and whether this machine can do it."""

from __future__ import annotations

import re
import resource
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge.config import Config, Mqtt
from edge.config.mqtt import Tls
from edge.errors import ConfigError

LOOK_S, ACTUATE_S = 0.5, 1.0
"""How long a simulated bin looks at an item, and moves it."""
MAX_RATE_PER_MIN = 30.0
MAX_BINS = 100_000
OWN = "mosquitto"
"""`--broker`: start one."""
_SPARE_DESCRIPTORS = 200


@dataclass(frozen=True)
class Plan:
    """One size. rate_per_min: items of each bin. seconds: of sorting. restart_after_s: of the broker, from the first
    item. subscribers: processes that hear the events; several share one subscription.
    """

    bins: int
    rate_per_min: float
    seconds: float
    restart_after_s: float | None = None
    subscribers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.bins <= MAX_BINS:
            raise ConfigError(f"--bins: {self.bins}; one process plays 1 to {MAX_BINS:,}")
        if not 0 <= self.rate_per_min <= MAX_RATE_PER_MIN:
            raise ConfigError(
                f"--rate: {self.rate_per_min:g}; a bin sorts 0 to {MAX_RATE_PER_MIN:g} items a minute, one takes it "
                f"{LOOK_S + ACTUATE_S:g} s"
            )
        if self.restart_after_s is not None and not 0 <= self.restart_after_s < self.seconds:
            raise ConfigError(
                f"--restart-broker-after: {self.restart_after_s:g} s, and all is over after --seconds {self.seconds:g}"
            )


def sizes(text: str) -> list[int]:
    """`50,100,250` → the numbers of bins.

    Raises:
        ConfigError: it is something else.
    """
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise ConfigError(f"--bins: {text!r}; expected a number, or several with commas between: 50,100,250")
    return [int(number) for number in text.split(",")]


def broker_of(config: Config, url: str) -> Mqtt:
    """The config's `mqtt` with the URL's address: user, password file and certificates are the config's.

    Raises:
        ConfigError: it is no such URL.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == 0 or parts.path not in ("", "/"):
        raise ConfigError(f"--broker: {url!r}; expected {OWN}, or mqtt://host:port, or mqtts://host:port for TLS")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "--broker: a user or password in the address is for all on this machine to see; "
            "set mqtt.username and mqtt.password_file in the file that --config names"
        )
    tls = parts.scheme == "mqtts"
    document = config.mqtt.model_dump(mode="json", by_alias=True)
    document |= {"embedded_broker": False, "host": parts.hostname, "port": port or (8883 if tls else 1883)}
    document["tls"] = (config.mqtt.tls or Tls()).model_dump(mode="json") if tls else None
    return Mqtt.model_validate(document)


def allow_descriptors(bins: int) -> None:
    """A connection is a file descriptor, here and in a broker that we start: raise this process's soft limit.

    Raises:
        ConfigError: the hard limit is lower.
    """
    needed = bins + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            f"--bins: {bins:,} bins need {needed:,} open files, and this process may have {hard:,}; raise the hard "
            f"limit (ulimit -Hn as root, LimitNOFILE= in a systemd unit, /etc/security/limits.conf)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
