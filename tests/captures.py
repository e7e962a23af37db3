"""Items and captures for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np

from edge.captures.capture import Capture, Correction, Other
from edge.captures.entry import Entry, entry_of
from edge.domain import Box, Frame, Outcome, Reason, RgbImage, Scored, SortEvent
from edge.jpeg import jpeg_of
from edge.observers import Look, SortedItem
from edge.payloads import event_payload
from tests.brokers import sample_event
from tests.recordings import sorted_item

DAY_0 = datetime(2026, 1, 1, tzinfo=timezone.utc)


def sample_picture(height: int = 60, width: int = 100) -> RgbImage:
    """A picture whose JPEG is of some hundred bytes: left half red, right half blue."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, 0] = picture[:, width // 2 :, 2] = 255
    return picture


def sample_item(reason: Reason = Reason.CONFIDENT, *, seq: int = 1, frame: RgbImage | None = None) -> SortedItem:
    """A finished item as observers get it; it lay in the middle of the frame."""
    event = sample_event(seq, outcome=Outcome.CONFIRMED)
    event = replace(event, decision=replace(event.decision, reason=reason))
    rgb = sample_picture() if frame is None else frame
    height, width = rgb.shape[:2]
    crop = Box(width // 4, height // 4, 3 * width // 4, 3 * height // 4)
    look = Look(Frame(rgb, 0.0, seq), crop, crop, 0.0)
    return replace(sorted_item(seq), event=event, looks=(look,))


def sample_capture(seq: int, *, day: float = 0.0, clock_synced: bool = True, event: SortEvent | None = None) -> Capture:
    """What is known of a picture taken so many days after `DAY_0`."""
    event = replace(event or sample_event(seq), at=DAY_0 + timedelta(days=day), clock_synced=clock_synced)
    return Capture(event=event_payload(event), sampled=seq % 2 == 0, box=(1, 2, 30, 40))


def named_capture(
    seq: int,
    said: str,
    really: str | None,
    *,
    p: float = 0.9,
    sampled: bool = False,
    version: str = "1.0.0",
    reason: Reason = Reason.CONFIDENT,
    novelty: float = -4.0,
    other: Other | None = None,
) -> Capture:
    """An item that the network called `said`, so sure, and a person `really`; None: nobody has named it."""
    event = sample_event(seq)
    decision = replace(event.decision, label=said, accepted=p >= 0.7, reason=reason)
    model = event.model._replace(version=version)
    event = replace(event, top3=(Scored(said, p),), decision=decision, model=model, novelty=novelty)
    correction = None if really is None else Correction(label=really, by="kim", at=DAY_0)
    return sample_capture(seq, event=event).model_copy(
        update={"sampled": sampled, "correction": correction, "other": other}
    )


def entries(*captures: Capture) -> list[Entry]:
    """As a store has them: newest first."""
    return [entry_of(capture, 1000) for capture in reversed(captures)]


OTHER = Other(version="1.1.0", label="plastic", p=0.8, compartment="plastic")
"""What a model on trial would have done."""

JPEG = jpeg_of(sample_picture(), 90)
