"""What goes over the control socket: the commands' arguments and results, one line of JSON each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from edge.errors import ControlError
from edge.payloads import EventPayload, StatePayload, TelemetryPayload, TopPayload, UpdatePayload

LINE_LIMIT_BYTES = 16 * 1024 * 1024
"""The longest request or answer."""

PHOTOGRAPH_LIMIT_BYTES = 12_000_000
"""The largest photograph that `classify` takes: in base64 it fits a line."""

PATH_LIMIT_BYTES = 107
"""Linux keeps a socket's path in 108 bytes, the closing zero among them."""


class Arguments(BaseModel):
    """Base of what a command takes: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Result(BaseModel):
    """Base of what a command gives. A newer daemon may say more: unknown keys are left out."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    def to_dict(self) -> dict[str, Any]:
        """As it goes over the socket."""
        return self.model_dump(mode="json", by_alias=True)


class FillView(Result):
    percent: float | None = Field(ge=0, le=100, description="as measured; null: no sensor, or not yet")
    full: bool = Field(description="takes nothing more")


class StatusResult(Result):
    """`status`: how the bin is."""

    bin_id: str
    state: StatePayload
    broker: Literal["connected", "down"]
    outbox: int = Field(ge=0, description="events that the broker has not acknowledged yet")
    counts: dict[str, int] = Field(description="compartment → items dropped into it")
    uptime_s: float = Field(ge=0)
    fill: dict[str, FillView] = Field(default_factory=dict, description="every compartment of the mechanism")


class ObservationView(Result):
    state: Literal["learning", "empty", "motion", "settling", "still"]
    box: tuple[float, float, float, float] | None = Field(
        description="the item: x0, y0, x1, y1 as shares of the picture's width and height, 0..1"
    )


class PictureArguments(Arguments):
    side_px: int = Field(800, ge=16, le=1280, description="the longer side at most")
    known: int | None = Field(None, description="the seq of a frame that is not sent again")


class PictureResult(Result):
    """`picture`: what the camera sees now. Small and cheap: asked many times a second."""

    seq: int | None = Field(description="counts up by one a frame; null before the first, like what follows")
    jpeg: str | None = Field(description="the newest frame, base64; null: known")
    age_ms: float | None
    observation: ObservationView | None


class ViewArguments(Arguments):
    known: UUID | None = Field(None, description="an item whose crop and evidence are not sent again")


class ViewResult(Result):
    """`view`: what the bin does now, and its newest item."""

    phase: str
    last: EventPayload | None = Field(description="the newest item; everything below belongs to it")
    crop_jpeg: str | None = Field(description="the pixels that were classified, base64; null: known")
    evidence: list[list[float]] | None = Field(description="(h, w) class map of the top label over the crop, in logits")


class RecentItem(Result):
    event: EventPayload
    jpeg: str = Field(description="a small picture of the item, base64")


class RecentResult(Result):
    """`recent`: the last items, newest first."""

    items: list[RecentItem]


class SwitchView(Result):
    name: str
    role: Literal["lid", "estop", "hand", "full", "beam"]
    active: bool = Field(description="lid open, e-stop pressed, a hand there, full, beam broken")
    unsteady: bool = Field(description="changes too often to be believed; counts as active")


class HardwareResult(Result):
    """`hardware`: what the bin feels, and what its guard says."""

    mode: str
    phase: str
    armed_s: float = Field(ge=0, description="for so long yet jog is possible")
    homed: bool
    latched: str | None = Field(description="what a person must acknowledge")
    homing: list[str] = Field(description="why homing is forbidden; empty: it is not")
    forbidden: dict[str, list[str]] = Field(description="compartment → why nothing moves for it; empty: it may")
    switches: list[SwitchView]
    fill: dict[str, FillView]
    lamp: bool = Field(description="whether the bin switches a lamp")


class TrendResult(Result):
    """`trend`: the newest telemetry, oldest first."""

    samples: list[TelemetryPayload]


class LogResult(Result):
    """`log`: the newest lines of the program's log, oldest first, without secrets."""

    lines: list[str]


class DiagnosisArguments(Arguments):
    name: str = Field(pattern=r"^[a-z0-9-]+-\d{8}T\d{6}Z\.zip$", description="a file that `diagnose` wrote")


class DiagnosisFile(Result):
    name: str
    content: str = Field(description="base64")


class MetricsView(Result):
    precision: str
    split: str
    right: int
    total: int
    accuracy: float
    interval95: tuple[float, float]
    macro_f1: float


class BundleView(Result):
    """What is known of a bundle, by its manifest, which its signature covers."""

    slot: Literal["config", "a", "b"] = Field(description="config: what the config names; a, b: brought by an update")
    current: bool = Field(description="it sorts")
    previous: bool = Field(description="it sorted before: what a rollback goes to")
    problem: str | None = Field(description="why it cannot be used; then all below is empty")
    name: str = ""
    version: str = ""
    labels: list[str] = Field(default_factory=list)
    signed_by: str | None = None
    facts: dict[str, str] = Field(default_factory=dict, description="of the manifest, for people")
    metrics: list[MetricsView] = Field(default_factory=list)
    pictures: list[str] = Field(default_factory=list, description="of its report, for `report_picture`; not signed")


class EngineView(Result):
    engine: str
    precision: str | None
    off_by: float | None = Field(description="largest difference of a golden logit")
    median_ms: float | None
    why: str | None = Field(description="why it must not sort; null: it may")


class UpdateView(Result):
    """How the newest update or switch goes, or went, since the bin was started."""

    outcome: Literal["none", "running", "sorts", "same", "failed"] = Field(
        description="none: there was none; sorts: the model sorts; same: what was brought sorted already"
    )
    progress: UpdatePayload
    failed_at: str | None = Field(None, description="the step that failed")
    shadow_wanted: int = Field(0, ge=0, description="items that both models name")
    shadow_seen: int = Field(0, ge=0, description="of these, so many yet")
    shadow_elsewhere: int = Field(0, ge=0, description="of these, so many the new one would have put elsewhere")


class ModelResult(Result):
    """`model`: the models on the bin, which of them sorts, and what this machine runs it with."""

    bundles: list[BundleView]
    engine: str
    engines: list[EngineView] = Field(description="as tune measured them; empty: it has not run")
    update: UpdateView


class ReportPictureArguments(Arguments):
    slot: Literal["config", "a", "b"]
    name: Literal["confusion", "calibration", "robustness", "benchmark"]


class ReportPicture(Result):
    png: str = Field(description="base64")


class ModelUploadArguments(Arguments):
    """`model_upload`: a piece of a bundle's archive; the first is at 0 and begins."""

    upload: str = Field(pattern=r"^[0-9a-f]{32}$", description="chosen by who uploads, a new one for each upload")
    total: int = Field(gt=0, description="bytes of the whole archive")
    offset: int = Field(ge=0, description="bytes that came before this piece")
    content: Base64Bytes = Field(description="the piece, base64")


class ModelUploadResult(Result):
    have: int = Field(ge=0, description="bytes that are there")
    url: str | None = Field(description="for `update`, once all of it is there")


class ClassifyArguments(Arguments):
    """`classify`: one photograph. name: stands in errors. image: the file's bytes, base64."""

    name: str = Field(max_length=255)
    image: Base64Bytes
    slot: Literal["config", "a", "b"] | None = Field(
        None, description="another of the bin's models, loaded for this photograph alone; null: the one that sorts"
    )


class ClassifyResult(Result):
    model: str = Field("", description="its name and version")
    top3: list[TopPayload] = Field(min_length=1, max_length=3)
    novelty: float = Field(description="energy, -logsumexp(logits); higher is stranger")
    novelty_limit: float = Field(description="above this it is novel")
    compartment: str = Field(description="where the bin would put it, by its site's policy")
    belongs: float = Field(ge=0, le=1, description="probability of its label's compartment")
    min_probability: float = Field(ge=0, le=1, description="what `belongs` must reach")
    costs: dict[str, float] = Field(description="compartment → expected cost, in the site's cost units")
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
