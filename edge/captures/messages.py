"""What goes over the control socket about captures."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from edge.captures.capture import Capture
from edge.control.messages import Arguments, Result


class CapturesArguments(Arguments):
    """`captures`: which are asked for, newest first; null: any."""

    label: str | None = Field(None, description="what a person said that it is, else the network")
    compartment: str | None = None
    reason: Literal["CONFIDENT", "COST", "UNCERTAIN", "NOVEL", "MIXED", "FULL"] | None = None
    outcome: Literal["CONFIRMED", "LOST", "JAMMED", "STALLED", "REFUSED", "INTERRUPTED"] | None = None
    corrected: bool | None = Field(None, description="whether a person has said what it is")
    sampled: bool | None = Field(None, description="whether it is of the random sample of all items")
    since: AwareDatetime | None = Field(None, description="decided then or later")
    until: AwareDatetime | None = Field(None, description="decided before then")
    p_from: float | None = Field(None, ge=0, le=1, description="probability of the network's best label: at least")
    p_below: float | None = Field(None, ge=0, le=1, description="the same: less than")
    before_seq: int | None = Field(None, description="for the next page: `seq` of the last on this one")
    limit: int = Field(24, ge=1, le=200)


class CapturesResult(Result):
    captures: list[Capture]
    total: int = Field(ge=0, description="of all captures on this bin")
    total_mb: float = Field(ge=0, description="what they take of captures.budget_mb")
    enabled: bool = Field(description="whether new ones are kept")


class CaptureArguments(Arguments):
    """`capture_picture`, `capture_delete`: one of them, by its item."""

    event_id: UUID


class CapturePicture(Result):
    """`capture_picture`"""

    capture: Capture
    jpeg: str = Field(description="its file, base64; `capture.box` is in its pixels")


class CorrectArguments(CaptureArguments):
    """`capture_correct`: what a person says that the item really is. Gives the `Capture`."""

    label: str | None = Field(min_length=1, max_length=40, description="null takes back what was said before")
    by: str | None = Field(None, min_length=1, max_length=80, description="null: whoever is at the socket")
