"""Model updates over the air."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from edge.config.section import Probability, Seconds, Section


class Update(Section):
    """How a new model is fetched and tried."""

    ca_file: Path | None = Field(
        None, description="certificate (PEM) of the authority that signed the server's; absent: those the system trusts"
    )
    max_bytes: int = Field(512 * 1024 * 1024, ge=1024, le=2**32, description="of the archive")
    timeout_s: Seconds = Field(30.0, description="a server that says nothing for so long is given up")
    shadow_items: int = Field(
        50,
        ge=0,
        le=10_000,
        description="items that the new model sees beside the old one before it may sort; 0: none",
    )
    max_disagreement: Probability = Field(
        0.2, description="share of these items that it may put elsewhere; more, and the old model stays"
    )
