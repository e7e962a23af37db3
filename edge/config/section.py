"""What every section of the config is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
Pin = Annotated[int, Field(ge=0, le=53, description="GPIO number (BCM on a Raspberry Pi)")]
Angle = Annotated[float, Field(ge=-90.0, le=90.0, description="degrees")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]


class Section(BaseModel):
    """Base of every section: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
