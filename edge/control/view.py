"""What the daemon sees, as the answer to `view`."""

from __future__ import annotations

import base64
from typing import Any

from edge.control.messages import ObservationView, ViewResult
from edge.domain import Box, Clock, RgbImage
from edge.jpeg import jpeg_of, shrunk
from edge.live import Live
from edge.payloads import event_payload

VIEW_SIDE_PX = 1280
JPEG_QUALITY = 85


def view_response(live: Live, clock: Clock) -> dict[str, Any]:
    """The result of `view`. Pictures are shrunk to 1280 pixels a side; boxes are in the pixels of what is sent."""
    snapshot = live.snapshot()
    frame, observation, last = snapshot.frame, snapshot.observation, snapshot.last
    scale = 1.0 if frame is None else min(1.0, VIEW_SIDE_PX / max(frame.rgb.shape[:2]))
    return ViewResult(
        frame_jpeg=None if frame is None else _jpeg_base64(frame.rgb),
        frame_age_ms=None if frame is None else round(1000 * max(0.0, clock.monotonic_s() - frame.captured_s), 1),
        phase=snapshot.phase,
        observation=None
        if observation is None
        else ObservationView(state=observation.state.value, box=_scaled(observation.box, scale)),
        last=None if last is None else event_payload(last.event),
        crop_jpeg=None if last is None else _jpeg_base64(last.crop),
        evidence=None if last is None else [[round(float(v), 3) for v in row] for row in last.evidence],
        box=None if last is None else _scaled(last.box, scale),
    ).to_dict()


def _scaled(box: Box | None, scale: float) -> tuple[int, int, int, int] | None:
    if box is None:
        return None
    x0, y0, x1, y1 = (round(scale * edge) for edge in box)
    return x0, y0, x1, y1


def _jpeg_base64(rgb: RgbImage) -> str:
    """(H, W, 3) uint8 → base64 of a JPEG, at most `VIEW_SIDE_PX` a side."""
    return base64.b64encode(jpeg_of(shrunk(rgb, VIEW_SIDE_PX)[0], JPEG_QUALITY)).decode("ascii")
