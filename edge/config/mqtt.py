"""The broker."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from edge.config.section import Section


class Tls(Section):
    """An encrypted connection. The broker's certificate and its name are always checked."""

    ca_file: Path | None = Field(
        None, description="certificate (PEM) of the authority that signed the broker's; absent: those the system trusts"
    )
    cert_file: Path | None = Field(None, description="this bin's certificate (PEM), for a broker that asks for one")
    key_file: Path | None = Field(None, description="its key (PEM), without a passphrase")

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Tls:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or neither")
        return self


class Discovery(Section):
    """Messages by which Home Assistant finds the bin by itself."""

    enabled: bool = Field(True, description="false: what was published before is taken back")
    prefix: str = Field("homeassistant", pattern=r"^[^/+#\s]+$", description="Home Assistant's own discovery prefix")
    console_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="where people reach the console, for a link to it; absent: console.host, where that is one address",
    )


class Mqtt(Section):
    """The broker."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(1883, ge=1, le=65535, description="brokers take TLS on a port of its own, mostly 8883")
    tls: Tls | None = Field(None, description="absent: the connection is not encrypted")
    embedded_broker: bool = Field(False, description="start a broker on host:port with the bin (loopback only)")
    username: str | None = None
    password_file: Path | None = Field(None, description="file that holds the password on its first line")
    keepalive_s: int = Field(15, ge=5, le=600, description="the broker publishes the last will after 1.5 times this")
    replay_per_s: float = Field(
        20.0, gt=0, le=1000, description="events a second sent from the backlog after an outage"
    )
    telemetry_s: float = Field(60.0, ge=1, le=3600, description="how often `telemetry` is sent")

    publish_image: bool = Field(
        False, description="publish a picture of the tray region with each item (`image/last`, retained)"
    )
    discovery: Discovery = Discovery()

    @property
    def authenticated(self) -> bool:
        """Whether the bin proves to the broker who it is, as one does that asks its other clients for the same."""
        certificate = self.tls is not None and self.tls.cert_file is not None
        return not self.embedded_broker and (self.username is not None or certificate)

    @model_validator(mode="after")
    def _embedded_is_local(self) -> Mqtt:
        if self.embedded_broker and self.host not in ("127.0.0.1", "localhost"):
            raise ValueError(
                f"the embedded broker has no passwords and listens on 127.0.0.1 only, found host {self.host!r}"
            )
        if self.embedded_broker and self.tls is not None:
            raise ValueError("the embedded broker does not speak TLS; leave out mqtt.tls")
        return self
