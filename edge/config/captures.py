"""Which pictures a bin keeps."""

from __future__ import annotations

from pydantic import Field

from edge.config.section import Probability, Section
from edge.domain import Reason


class Captures(Section):
    """Pictures of the tray region of some items, kept on this machine for people to look at and to train with."""

    enabled: bool = Field(True, description="false: none is kept from now on; those there are go when they are due")
    reasons: tuple[Reason, ...] = Field(
        (Reason.UNCERTAIN, Reason.NOVEL, Reason.MIXED), description="every item decided for one of these is kept"
    )
    sample_share: Probability = Field(
        0.02, description="share of all items that is kept whatever the decision, chosen at random"
    )
    budget_mb: int = Field(300, ge=1, le=1_000_000, description="megabytes; the oldest go first")
    retention_days: int = Field(30, ge=1, le=3650, description="older ones are deleted")
    side_px: int = Field(1280, ge=128, le=4096, description="longer side; a larger picture is shrunk")
    quality: int = Field(90, ge=50, le=100, description="of the JPEG")
