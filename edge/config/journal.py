"""What is kept on disk."""

from __future__ import annotations

from pydantic import Field

from edge.config.section import Section


class Journal(Section):
    """Where events are kept."""

    max_events: int = Field(100_000, ge=10, description="rows kept; the oldest go first")
    reserve_mb: int = Field(
        200,
        ge=0,
        le=1_000_000,
        description="megabytes left free on its disk: captures and recordings stop there, events go on",
    )
    max_in_memory: int = Field(
        2_000,
        ge=10,
        description="events kept in memory while the disk takes none (about 4 kB each); the oldest go first",
    )
