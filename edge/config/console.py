"""The technicians' page."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edge.config.section import Section

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Console(Section):
    """The technicians' page."""

    host: str = Field("127.0.0.1", description="0.0.0.0 opens it to the network, with a password")
    port: int = Field(7860, ge=1, le=65535)
    login: Literal["remote", "always"] = Field(
        "remote", description="remote: a password is asked for where host is not loopback; always: there too"
    )
    idle_logout_min: float = Field(15.0, gt=0, le=1440, description="minutes without a person, then it logs out")
    cert_file: Path | None = Field(None, description="certificate (PEM): the page is served over HTTPS")
    key_file: Path | None = Field(None, description="its key (PEM), without a passphrase")

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Console:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or neither")
        return self

    @property
    def url(self) -> str | None:
        """Where others reach the page, if the config says so; None: host is loopback, or every address there is."""
        if self.host in LOOPBACK or self.host in ("0.0.0.0", "::"):
            return None
        return f"http{'s' if self.cert_file else ''}://{self.host}:{self.port}"

    @property
    def asks_for_password(self) -> bool:
        """Whether the page is behind a log-in."""
        return self.login == "always" or self.host not in LOOPBACK
