"""What `recording.json` in a recording holds. docs/replay.md explains it.

Numbers are written in full: what is read back is bit for bit what the bin computed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge.config import Sorting
from edge.decide import Policy
from edge.domain import Box
from edge.observers import Look, SortedItem
from edge.payloads import EventPayload, FaultPayload, event_payload

SCHEMA: Literal[1] = 1
"""The schema this program reads and writes."""

PICTURE = r"^items/[0-9]{1,19}/look-[0-9]{1,3}\.png$"
MAX_ITEMS = 1000
MAX_SIDE_PX = 16_384

Pixel = Annotated[int, Field(ge=0, le=MAX_SIDE_PX)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Cost = Annotated[float, Field(ge=0.0, le=1e6)]
BoxRecord = tuple[Pixel, Pixel, Pixel, Pixel]


class Record(BaseModel):
    """Base of every record: unknown keys are refused, and so is what is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class LookRecord(Record):
    """One frame of an item. The picture is what was classified of it: lossless, before any resizing."""

    picture: str = Field(pattern=PICTURE, description="its name in the file")
    frame_size: tuple[Pixel, Pixel] = Field(description="width and height of the whole frame, pixels")
    frame_seq: int = Field(ge=0, description="counts up by one a frame")
    captured_s: float = Field(description="the bin's monotonic clock when it was taken; for differences")
    capture_s: float = Field(ge=0, description="seconds spent waiting for the camera")
    box: BoxRecord = Field(description="the item: x0, y0, x1, y1 in pixels of the frame")
    crop: BoxRecord = Field(description="the picture: x0, y0, x1, y1 in pixels of the frame")

    @model_validator(mode="after")
    def _within(self) -> LookRecord:
        x0, y0, x1, y1 = self.crop
        width, height = self.frame_size
        if not (x0 < x1 <= width and y0 < y1 <= height):
            raise ValueError(f"crop: {self.crop} is no part of a frame of {width} x {height} pixels")
        return self


class SensorsRecord(Record):
    """What the guard's sensors said when it was decided, and the levels when the item was gone."""

    lid_closed: bool
    estop_released: bool
    hand_clear: bool
    tray_still: bool
    maintenance: bool
    full: list[str] = Field(description="compartments that take nothing more")
    active: list[str] = Field(description="switches and beams that are active")
    fill_percent: dict[str, float] = Field(description="compartment → how full, where a sensor measures it")


class PolicyRecord(Record):
    """`edge.decide.Policy`, as it was."""

    routes: dict[str, str] = Field(description="label → compartment")
    residual: str
    costs: dict[str, dict[str, Cost]] = Field(description="label → compartment → cost")
    acceptance: dict[str, Probability] = Field(description="label → least probability that is believed")
    novelty_threshold: float = Field(description="energy above which an item is novel")

    @model_validator(mode="after")
    def _complete(self) -> PolicyRecord:
        compartments = {*self.routes.values(), self.residual}
        if not (self.routes.keys() == self.costs.keys() == self.acceptance.keys()):
            raise ValueError("routes, costs and acceptance are not of the same labels")
        for label, costs in self.costs.items():
            if costs.keys() != compartments:
                raise ValueError(f"costs.{label!r:.40}: expected one for each of {sorted(compartments)}")
        return self

    @classmethod
    def of(cls, policy: Policy) -> PolicyRecord:
        return cls(
            routes=dict(policy.routes),
            residual=policy.residual,
            costs={label: dict(costs) for label, costs in policy.costs.items()},
            acceptance=dict(policy.acceptance),
            novelty_threshold=policy.novelty_threshold,
        )

    def policy(self) -> Policy:
        return Policy(self.routes, self.residual, self.costs, self.acceptance, self.novelty_threshold)


class ItemRecord(Record):
    """One item. event: as it was published: decision, outcome, model, engine, timings."""

    event: EventPayload
    probabilities: dict[str, Probability] = Field(description="label → calibrated probability")
    novelty: float
    looks: list[LookRecord] = Field(min_length=1, max_length=30)
    policy: PolicyRecord
    sensors: SensorsRecord

    @classmethod
    def of(cls, item: SortedItem, fill_percent: Mapping[str, float]) -> ItemRecord:
        prediction, safety = item.prediction, item.safety
        return cls(
            event=event_payload(item.event),
            probabilities=dict(zip(prediction.labels, prediction.probabilities.tolist(), strict=True)),
            novelty=prediction.novelty,
            looks=[_look(look, f"items/{item.event.seq}/look-{i}.png") for i, look in enumerate(item.looks)],
            policy=PolicyRecord.of(item.policy),
            sensors=SensorsRecord(
                lid_closed=safety.lid_closed,
                estop_released=safety.estop_released,
                hand_clear=safety.hand_clear,
                tray_still=safety.tray_still,
                maintenance=safety.maintenance,
                full=sorted(safety.full),
                active=list(safety.active),
                fill_percent=dict(fill_percent),
            ),
        )


class RecordingRecord(Record):
    """recording.json."""

    format: Literal["smartbin-recording"] = "smartbin-recording"
    schema_version: int = Field(SCHEMA, alias="schema", ge=1, le=SCHEMA)
    program: str = Field(description="version of the program that wrote it")
    bin_id: str
    written: datetime = Field(description="UTC, by the bin's clock")
    why: str = Field(description="what it was written for")
    faults: list[FaultPayload] = Field(description="those that stood when it was written")
    sorting: Sorting = Field(description="the section `sorting` of the bin's config")
    items: list[ItemRecord] = Field(min_length=1, max_length=MAX_ITEMS, description="oldest first")

    @model_validator(mode="after")
    def _once(self) -> RecordingRecord:
        names = [look.picture for item in self.items for look in item.looks]
        if len(set(names)) != len(names):
            raise ValueError("items: two looks name the same picture")
        return self


def _look(look: Look, picture: str) -> LookRecord:
    height, width = look.frame.rgb.shape[:2]
    return LookRecord(
        picture=picture,
        frame_size=(width, height),
        frame_seq=look.frame.seq,
        captured_s=look.frame.captured_s,
        capture_s=max(0.0, look.capture_s),
        box=_edges(look.box),
        crop=_edges(look.crop),
    )


def _edges(box: Box) -> BoxRecord:
    return box.x0, box.y0, box.x1, box.y1
