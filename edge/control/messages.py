"""What goes over the control socket: the commands' arguments and results, one line of JSON each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from edge.errors import ControlError
from edge.payloads import EventPayload, StatePayload, TopPayload

LINE_LIMIT_BYTES = 16 * 1024 * 1024
"""The longest request or answer."""

PHOTOGRAPH_LIMIT_BYTES = 12_000_000
"""The largest photograph that `classify` takes: in base64 it fits a line."""

PATH_LIMIT_BYTES = 107
"""Linux keeps a socket's path in 108 bytes, the closing zero among them."""


class Arguments(BaseModel):
    """Base of what a command takes: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Result(BaseModel):
    """Base of what a command gives. A newer daemon may say more: unknown keys are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    def to_dict(self) -> dict[str, Any]:
        """As it goes over the socket."""
        return self.model_dump(mode="json", by_alias=True)


class StatusResult(Result):
    """`status`: how the bin is."""

    bin_id: str
    state: StatePayload
    broker: Literal["connected", "down"]
    outbox: int = Field(ge=0, description="events that the broker has not acknowledged yet")
    counts: dict[str, int] = Field(description="compartment → items dropped into it")
    uptime_s: float = Field(ge=0)


class ObservationView(Result):
    state: Literal["learning", "empty", "motion", "settling", "still"]
    box: tuple[int, int, int, int] | None = Field(description="the item: x0, y0, x1, y1 in pixels of `frame_jpeg`")


class ViewResult(Result):
    """`view`: what the bin sees now, and its newest item."""

    frame_jpeg: str | None = Field(description="the newest frame, base64; null before the first")
    frame_age_ms: float | None
    phase: str
    observation: ObservationView | None
    last: EventPayload | None = Field(description="the newest item; everything below belongs to it")
    crop_jpeg: str | None = Field(description="the pixels that were classified, base64")
    evidence: list[list[float]] | None = Field(description="(h, w) class map of the top label over the crop, in logits")
    box: tuple[int, int, int, int] | None = Field(description="where the crop was cut: x0, y0, x1, y1, as above")


class ClassifyArguments(Arguments):
    """`classify`: one photograph. name: stands in errors. image: the file's bytes, base64."""

    name: str = Field(max_length=255)
    image: Base64Bytes


class ClassifyResult(Result):
    top3: list[TopPayload] = Field(min_length=1, max_length=3)
    novelty: float = Field(description="energy, -logsumexp(logits); higher is stranger")
    accepted: bool = Field(description="whether the best label is believed")
    reason: Literal["CONFIDENT", "COST", "UNCERTAIN", "NOVEL", "MIXED", "FULL"]
    evidence: list[list[float]] = Field(
        description="(h, w) class map of the top label over the whole photograph, in logits"
    )
    latency_ms: float = Field(ge=0)


class MaintenanceArguments(Arguments):
    on: bool


class RequestsArguments(Arguments):
    """`requests`: who asked what of the bin. newest: how many."""

    newest: int = Field(20, ge=1, le=1000)


class RecordResult(Result):
    """`record`: the file that was written, on the bin."""

    path: str
    items: int = Field(ge=1)


def line_of(document: dict[str, Any]) -> bytes:
    """One request or answer as it goes over the socket."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def check_length(path: Path) -> None:
    """Raises ControlError when a socket cannot have that path."""
    found = len(os.fsencode(path))
    if found > PATH_LIMIT_BYTES:
        raise ControlError(
            f"{path}: {found} bytes, but a socket's path has at most {PATH_LIMIT_BYTES}; choose a shorter state_dir"
        )
