"""The machine's clock."""

from __future__ import annotations

from pydantic import Field

from edge.config.section import Section


class Clock(Section):
    """The machine's clock, by which events are dated."""

    time_source: bool = Field(
        True, description="something sets this machine's clock (NTP, GPS); false: that nothing does is no fault"
    )
