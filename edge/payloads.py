"""What leaves the program as JSON: MQTT payloads, the report file, the control socket.

`json_schemas()` is derived from these classes, so the published schema cannot drift from what is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from edge.domain import SortEvent

SCHEMA: Literal[1] = 1
"""Version of every payload below."""


class Payload(BaseModel):
    """Base of every payload: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_json(self) -> str:
        """Compact JSON."""
        return self.model_dump_json(by_alias=True)


class TopPayload(Payload):
    label: str
    p: float = Field(ge=0, le=1, description="calibrated probability")


class DecisionPayload(Payload):
    compartment: str
    label: str
    accepted: bool = Field(description="whether the best label was believed")
    reason: Literal["CONFIDENT", "COST", "UNCERTAIN", "NOVEL", "MIXED", "FULL"]
    expected_cost: float = Field(description="in the site's cost units")


class ActuationPayload(Payload):
    target: str
    outcome: Literal["PENDING", "CONFIRMED", "LOST", "JAMMED", "STALLED", "REFUSED", "INTERRUPTED"]


class ModelPayload(Payload):
    name: str
    version: str
    sha256: str


class FramePayload(Payload):
    age_ms: float = Field(ge=0, description="age of the newest frame classified")
    sharpness: float = Field(ge=0, description="variance of the Laplacian")
    luma: float = Field(ge=0, le=255, description="mean brightness")


class EventPayload(Payload):
    """One sorted item: `classification` and `classification/last`."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    event_id: UUID
    boot_id: UUID
    seq: int = Field(ge=1, description="counts up by one an item, across restarts")
    ts: datetime = Field(description="UTC")
    clock_synced: bool = Field(description="whether the clock was known to be right at ts")
    historical: bool = Field(description="sent again after an outage or a restart")
    top3: list[TopPayload] = Field(min_length=1, max_length=3)
    novelty: float = Field(description="energy, -logsumexp(logits); higher is stranger")
    decision: DecisionPayload
    actuation: ActuationPayload
    model: ModelPayload
    engine: str
    latency_ms: dict[str, float] = Field(description="milliseconds by stage")
    frame: FramePayload


class FaultPayload(Payload):
    code: str
    since: datetime
    message: str
    remedy: str


class AlertPayload(Payload):
    """`alert/<code>`: a fault that stands."""

    since: datetime = Field(description="UTC")
    message: str
    remedy: str = Field(description="what a person does")


class VersionsPayload(Payload):
    program: str
    model: str


class StatePayload(Payload):
    """`state`: how the bin is."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    phase: Literal["starting", "waiting", "looking", "sorting", "blocked", "stopped"]
    mode: Literal["auto", "maintenance"]
    faults: list[FaultPayload]
    versions: VersionsPayload
    engine: str


def event_payload(event: SortEvent, *, historical: bool = False) -> EventPayload:
    """A SortEvent as it is journalled and published."""
    return EventPayload(
        event_id=event.event_id,
        boot_id=event.boot_id,
        seq=event.seq,
        ts=event.at,
        clock_synced=event.clock_synced,
        historical=historical,
        top3=[TopPayload(label=label, p=round(p, 4)) for label, p in event.top3],
        novelty=round(event.novelty, 3),
        decision=DecisionPayload(
            compartment=event.decision.compartment,
            label=event.decision.label,
            accepted=event.decision.accepted,
            reason=event.decision.reason.value,
            expected_cost=round(event.decision.expected_cost, 4),
        ),
        actuation=ActuationPayload(target=event.decision.compartment, outcome=event.outcome.value),
        model=ModelPayload(**event.model._asdict()),
        engine=event.engine,
        latency_ms={stage: round(ms, 2) for stage, ms in event.timings_ms.items()},
        frame=FramePayload(
            age_ms=round(event.frame_age_ms, 1), sharpness=round(event.sharpness, 1), luma=round(event.luma, 1)
        ),
    )


def json_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of every JSON payload on the wire, by topic."""
    payloads: dict[str, type[Payload]] = {"classification": EventPayload, "state": StatePayload, "alert": AlertPayload}
    return {topic: payload.model_json_schema() for topic, payload in payloads.items()}
