"""What leaves the program as JSON: MQTT payloads, the report file, the control socket.

`json_schemas()` is derived from these classes, so the published schema cannot drift from what is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, cast
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, create_model

from edge.domain import SortEvent

SCHEMA: Literal[1] = 1
"""Version of every payload below."""


class Payload(BaseModel):
    """Base of every payload: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

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
    p_right: float | None = Field(
        None, ge=0, le=1, description="calibrated probability that the item belongs there; null: not known"
    )


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


class AvailabilityPayload(RootModel[Literal["online", "offline"]]):
    """`availability`: bare, not JSON."""


class ImagePayload(RootModel[bytes]):
    """`image/last`: a JPEG file."""


class CountPayload(RootModel[Annotated[int, Field(ge=0, description="items; never goes down")]]):
    """`compartment/<c>/count`: a bare number."""


class PercentPayload(RootModel[Annotated[float, Field(ge=0, le=100, description="percent")]]):
    """`compartment/<c>/fill` and `/purity`: a bare number."""


class VersionsPayload(Payload):
    program: str
    model: str


class EmptiedPayload(Payload):
    at: datetime = Field(description="UTC")
    count: int = Field(ge=0, description="the compartment's `count` then")


class StatePayload(Payload):
    """`state`: how the bin is."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    phase: Literal["starting", "waiting", "looking", "sorting", "blocked", "stopped"]
    mode: Literal["auto", "paused", "maintenance"]
    faults: list[FaultPayload]
    versions: VersionsPayload
    engine: str
    site: str | None = Field(None, description="where the bin stands, as its config says")
    residual: str | None = Field(None, description="the compartment for what belongs into no other, or is not sure")
    min_probability: float = Field(0.0, ge=0, le=1, description="the site's: raises the model's own thresholds to it")
    emptied: dict[str, EmptiedPayload] = Field(
        default_factory=dict, description="compartment → when a person said last that it is empty"
    )


Mib = Annotated[float | None, Field(ge=0, json_schema_extra={"unit": "MiB"})]
Ms = Annotated[float | None, Field(ge=0, json_schema_extra={"unit": "ms"})]
Celsius = Annotated[float | None, Field(json_schema_extra={"unit": "°C"})]


class TelemetryPayload(Payload):
    """`telemetry`: how the bin does, flat. What this machine does not tell, or what has not happened yet, is left out.

    Latencies are of the newest items, `edge.telemetry.ITEMS` at most. `unit` in a field's schema is its unit.
    """

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    ts: datetime = Field(description="UTC")
    uptime_s: float = Field(ge=0, description="since the program started", json_schema_extra={"unit": "s"})
    fps: float = Field(ge=0, description="pictures that the camera gave", json_schema_extra={"unit": "1/s"})
    fault_count: int = Field(ge=0, description="faults that stand")
    outbox_depth: int = Field(ge=0, description="finished events that the broker does not have")
    memory_mib: Mib = Field(None, description="resident, daemon and engine together, shared files once")
    disk_free_mib: Mib = Field(None, description="free for the bin where state_dir is")
    temperature_c: Celsius = Field(None, description="the hottest of this computer's thermal zones")
    cpu_temperature_c: Celsius = Field(None, description="the processor")
    gpu_temperature_c: Celsius = Field(None, description="the graphics processor")
    capture_p50_ms: Ms = Field(None, description="waiting for the camera, median")
    capture_p95_ms: Ms = Field(None, description="waiting for the camera, 95 % take no longer")
    preprocess_p50_ms: Ms = Field(None, description="crop and resize, median")
    preprocess_p95_ms: Ms = Field(None, description="crop and resize, 95 % take no longer")
    infer_p50_ms: Ms = Field(None, description="the network, median")
    infer_p95_ms: Ms = Field(None, description="the network, 95 % take no longer")
    decide_p50_ms: Ms = Field(None, description="the decision, median")
    decide_p95_ms: Ms = Field(None, description="the decision, 95 % take no longer")
    actuate_p50_ms: Ms = Field(None, description="moving, and seeing the tray empty, median")
    actuate_p95_ms: Ms = Field(None, description="moving, and seeing the tray empty, 95 % take no longer")

    def to_json(self) -> str:
        """Compact JSON, without what is not known."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class UpdatePayload(Payload):
    """`update`: which model sorts, and how far the next one is."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    installed_version: str
    latest_version: str = Field(description="of the model that is being brought; else the installed one's")
    in_progress: bool
    update_percentage: int | None = Field(None, ge=0, le=100)
    step: Literal["fetch", "unpack", "verify", "keep", "golden", "shadow", "point", "switch", "confirm"] | None = None
    error: str | None = Field(None, description="why the newest update failed; the model before sorts on")


class Arguments(Payload):
    """Base of what a command takes, over MQTT as over the control socket; this one takes nothing."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class SetModeArguments(Arguments):
    mode: Literal["auto", "paused", "maintenance"] = Field(
        description="paused: nothing is sorted, home and jog are possible; maintenance: nothing moves at all"
    )


class SetThresholdArguments(Arguments):
    min_probability: float | None = Field(
        ge=0, le=1, description="raises the acceptance thresholds to at least this; null: what the config says"
    )


class CompartmentArguments(Arguments):
    compartment: str = Field(min_length=1, max_length=40)


class ArmArguments(Arguments):
    for_s: float = Field(60.0, gt=0, le=300, description="seconds for which jog is possible; 0 < for_s <= 300")


class UpdateArguments(Arguments):
    url: str = Field(min_length=1, max_length=2000, description="a bundle as .tar or .tar.gz: https://… or file:///…")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="of the file; null: the signature is enough"
    )
    force: bool = Field(False, description="take a version that is not newer than the installed one, too")
    shadow_items: int | None = Field(
        None, ge=0, le=10_000, description="items that both models name before the switch; null: what the config says"
    )


class SwitchModelArguments(Arguments):
    slot: Literal["config", "a", "b"] = Field(description="as `python -m edge model list` names it")
    shadow_items: int | None = Field(
        None, ge=0, le=10_000, description="items that both models name before the switch; null: what the config says"
    )


class CommandKind(NamedTuple):
    """What is known of a command before it runs.

    trusted: it moves the mechanism, lets it move again, or changes how the bin sorts; taken only over a broker that the
    bin logged in to, and never without `ts`.
    """

    does: str
    arguments: type[Arguments] = Arguments
    trusted: bool = True


COMMANDS: dict[str, CommandKind] = {
    "pause": CommandKind("sort nothing until `resume`; items wait on the tray", trusted=False),
    "resume": CommandKind("sort again, out of pause or maintenance"),
    "set_mode": CommandKind("pause, maintenance or sorting, by name", SetModeArguments),
    "set_threshold": CommandKind("how sure the model must be", SetThresholdArguments),
    "home": CommandKind("find the reference position"),
    "arm": CommandKind("allow jog for a while; the bin must be paused", ArmArguments),
    "jog": CommandKind("move as for an item for this compartment; only while armed", CompartmentArguments),
    "learn_empty": CommandKind("take what lies on the tray for the empty tray"),
    "acknowledge": CommandKind("a person has looked: end the faults that wait for one"),
    "emptied": CommandKind("a person has emptied this compartment", CompartmentArguments),
    "self_test": CommandKind("try engine, camera, journal, sensors; nothing moves", trusted=False),
    "capture": CommandKind("keep a picture of the tray on the bin", trusted=False),
    "diagnose": CommandKind("write a bundle of logs, config and events on the bin", trusted=False),
    "update": CommandKind("fetch a signed model, try it, switch to it", UpdateArguments),
    "switch_model": CommandKind("try another model that is on the bin, switch to it", SwitchModelArguments),
    "rollback": CommandKind("go back to the model before the newest one"),
}
"""What `request/<cmd>` takes, by name."""


class Request(Payload):
    """Base of what `request/<cmd>` carries, beside the command's arguments.

    Expired is what is older than `ttl_s`, by `ts` and the bin's clock. A request without `ts` counts from its arrival;
    then only the message expiry of MQTT 5, if the sender sets one, knows of the time before.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    id: str = Field(
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
        description="the sender's own; the same id again gets the same response, and nothing is done twice",
    )
    ttl_s: float = Field(gt=0, le=3600, description="seconds after `ts` from which on it must not be done any more")
    ts: AwareDatetime | None = Field(None, description="when it was sent; with a time zone")


class DatedRequest(Request):
    """A request that says when it was sent."""

    ts: AwareDatetime = Field(description="when it was sent; with a time zone")


class ResponsePayload(Payload):
    """`response/<cmd>`: what became of a request."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    id: str | None = Field(description="of the request; null when it had none that could be read")
    ok: bool
    error: str | None = Field(description="why it was refused or failed; null when it was done")
    result: dict[str, Any] = Field(default_factory=dict, description="what the command gives")


def request_class(cmd: str) -> type[Request]:
    """The class of `request/<cmd>`: its arguments beside `id`, `ttl_s` and `ts`."""
    kind = COMMANDS[cmd]
    bases: Any = (kind.arguments, DatedRequest if kind.trusted else Request)
    created = create_model(f"{cmd}_request", __base__=bases, __doc__=f"`request/{cmd}`: {kind.does}.")
    return cast(type[Request], created)


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
            p_right=None if event.decision.p_right is None else round(event.decision.p_right, 4),
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
    payloads: dict[str, type[Payload]] = {
        "classification": EventPayload,
        "state": StatePayload,
        "alert": AlertPayload,
        "telemetry": TelemetryPayload,
        "response": ResponsePayload,
        "update": UpdatePayload,
        **{f"request/{cmd}": request_class(cmd) for cmd in COMMANDS},
    }
    return {topic: payload.model_json_schema() for topic, payload in payloads.items()}
