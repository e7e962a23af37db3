"""The flight recorder."""

from __future__ import annotations

from pydantic import Field

from edge.config.section import Section


class Recorder(Section):
    """The newest items with their pictures: in memory, and on disk when something went wrong."""

    max_items: int = Field(20, ge=1, le=1000, description="items kept; the oldest go first")
    memory_mib: float = Field(8.0, gt=0, le=1024, description="memory that their pictures may take, MiB")
    max_files: int = Field(5, ge=1, le=1000, description="recordings kept in `state_dir`; the oldest go first")
