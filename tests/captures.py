"""Items and captures for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np

from edge.captures.capture import Capture
from edge.domain import Box, Frame, Outcome, Reason, RgbImage, SortEvent
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


JPEG = jpeg_of(sample_picture(), 90)
