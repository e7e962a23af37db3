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
    version: str | None = Field(None, description="of the model that named it")
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


Why = Literal["DISPUTED", "UNCERTAIN", "NOVEL", "MIXED", "SAMPLED", "OTHER"]


class TeachArguments(Arguments):
    """`capture_teach`: what a person should name next."""

    skip: list[UUID] = Field(default_factory=list, max_length=1000, description="items that were passed over")
    limit: int = Field(12, ge=0, le=100)


class TeachItem(Result):
    capture: Capture
    why: Why = Field(description="DISPUTED: a model on trial would have done otherwise; SAMPLED: of the random sample")


class TeachResult(Result):
    items: list[TeachItem] = Field(description="what teaches most first")
    open: dict[Why, int] = Field(description="why → captures that nobody has named")
    named: dict[str, int] = Field(description="label → captures that a person gave it since the newest model sorts")
    enough: int = Field(ge=1, description="of each label, from which on retraining is worth it")


class FieldArguments(Arguments):
    """`capture_figures`: of which corrected captures."""

    sampled: bool | None = Field(None, description="whether of the random sample; it alone is not biased")
    since: AwareDatetime | None = None
    version: str | None = Field(None, description="of the model that named them; null: any")


class ShareView(Result):
    """So many of so many, with the 95 % interval in which the true share lies (Wilson)."""

    right: int = Field(ge=0)
    total: int = Field(ge=0)
    interval95: tuple[float, float]


class FieldLabel(Result):
    label: str
    recall: ShareView = Field(description="of the items that are this, those that were named so")
    precision: ShareView = Field(description="of the items that were named so, those that are")
    confused: list[int] = Field(description="items that are this, by what they were named, in the order of the labels")


class FieldBin(Result):
    """Items that the network was about equally sure of."""

    p_from: float
    p_to: float
    mean_p: float
    share: ShareView


class FieldResult(Result):
    """`capture_figures`: how often the bin was right, by what people said of its captures."""

    named: ShareView = Field(description="of the items asked for, those that people named")
    sample: ShareView = Field(description="of the random sample, those that people named")
    sample_sure: ShareView = Field(description="the same, where the network was believed")
    sample_open: int = Field(ge=0, description="of the random sample, those that nobody has named yet")
    labels: list[FieldLabel]
    reliability: list[FieldBin]
    versions: list[str] = Field(description="of all models that named a capture, newest item first")


class PairView(Result):
    """Two models on the same items. better, worse: items that only the new one, only the old one named rightly."""

    old: ShareView
    new: ShareView
    better: int = Field(ge=0)
    worse: int = Field(ge=0)
    chance: float = Field(ge=0, le=1, description="how likely such a difference is by chance (McNemar's exact test)")


class ComparisonResult(Result):
    """Two models on the captures that people named."""

    old: str = Field(description="version")
    new: str
    all: PairView
    unseen: PairView = Field(description="of items that the new one itself decided: it cannot have learnt from them")


class CompareArguments(Arguments):
    """`compare_models`: begin. By the places of models on the bin."""

    old: Literal["config", "a", "b"]
    new: Literal["config", "a", "b"]


class ComparisonView(Result):
    """`comparison`: how the newest comparison goes, or went."""

    running: bool
    done: int = Field(0, ge=0, description="pictures looked at, by either model")
    wanted: int = Field(0, ge=0)
    error: str | None = None
    result: ComparisonResult | None = None
