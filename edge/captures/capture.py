"""What is known of one capture. It stands as JSON in the comment of its JPEG: the file is all there is."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, ValidationError

from edge.errors import UnreadablePicture
from edge.jpeg import comment_of
from edge.payloads import EventPayload, Payload

SCHEMA: Literal[1] = 1


class Correction(Payload):
    """What a person said that the item really was."""

    label: str = Field(min_length=1, max_length=40)
    by: str = Field(min_length=1, max_length=80, description="who said so")
    at: AwareDatetime


class Other(Payload):
    """What a model on trial made of the item, where that was not what the bin did."""

    version: str
    label: str
    p: float = Field(ge=0, le=1, description="of that label")
    compartment: str


class Capture(Payload):
    """One picture: the tray region when the item was classified, and what became of it."""

    schema_version: Literal[1] = Field(SCHEMA, alias="schema")
    event: EventPayload
    sampled: bool = Field(description="of the random sample of all items, whatever was decided")
    box: tuple[int, int, int, int] = Field(description="what was classified: x0, y0, x1, y1 in the picture's pixels")
    correction: Correction | None = None
    other: Other | None = None

    @property
    def event_id(self) -> UUID:
        return self.event.event_id

    @property
    def label(self) -> str:
        """What the item is, as far as anybody knows: the person's word, else the network's."""
        return self.event.decision.label if self.correction is None else self.correction.label


def read_capture(jpeg: bytes) -> Capture:
    """What stands in a capture's file, of which the first 64 kB are enough.

    Raises:
        UnreadablePicture: it is not a capture, or not all of one.
    """
    comment = comment_of(jpeg)
    if comment is None:
        raise UnreadablePicture("a JPEG without a capture's comment")
    try:
        return Capture.model_validate_json(comment)
    except ValidationError as error:
        first = error.errors()[0]
        raise UnreadablePicture(f"not a capture's comment: {first['loc']}: {first['msg']}") from None
