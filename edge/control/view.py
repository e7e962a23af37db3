"""What the daemon sees, as the answers to `picture` and `view`."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from edge.control.messages import ObservationView, PictureArguments, PictureResult, ViewResult
from edge.domain import Clock, Frame, Observation, RgbImage
from edge.jpeg import jpeg_of, shrunk
from edge.live import Live
from edge.payloads import event_payload

CROP_SIDE_PX = 480
JPEG_QUALITY = 80


def picture_response(live: Live, clock: Clock, asked: PictureArguments) -> dict[str, Any]:
    """The result of `picture`."""
    snapshot = live.snapshot()
    frame, observation = snapshot.frame, snapshot.observation
    if frame is None:
        return PictureResult(seq=None, jpeg=None, age_ms=None, observation=None).to_dict()
    return PictureResult(
        seq=frame.seq,
        jpeg=None if frame.seq == asked.known else jpeg_base64(frame.rgb, asked.side_px),
        age_ms=round(1000 * max(0.0, clock.monotonic_s() - frame.captured_s), 1),
        observation=None if observation is None else _observation(observation, frame),
    ).to_dict()


def view_response(live: Live, known: UUID | None = None) -> dict[str, Any]:
    """The result of `view`."""
    snapshot = live.snapshot()
    last = snapshot.last
    new = last is not None and last.event.event_id != known
    return ViewResult(
        phase=snapshot.phase,
        last=None if last is None else event_payload(last.event),
        crop_jpeg=jpeg_base64(last.crop, CROP_SIDE_PX) if last is not None and new else None,
        evidence=[[round(float(v), 3) for v in row] for row in last.evidence] if last is not None and new else None,
    ).to_dict()


def jpeg_base64(rgb: RgbImage, side_px: int) -> str:
    """(H, W, 3) uint8 → base64 of a JPEG, at most `side_px` a side."""
    return base64.b64encode(jpeg_of(shrunk(rgb, side_px)[0], JPEG_QUALITY)).decode("ascii")


def _observation(seen: Observation, frame: Frame) -> ObservationView:
    height, width = frame.rgb.shape[:2]
    box = None
    if seen.box is not None:
        x0, y0, x1, y1 = seen.box
        box = (x0 / width, y0 / height, x1 / width, y1 / height)
    return ObservationView(state=seen.state.value, box=box)
