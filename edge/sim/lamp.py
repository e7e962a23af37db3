"""The simulated lamp: the simulated camera's pictures are as bright as what stands on the lamp's mock pin."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any

import cv2
import numpy as np

from edge import config
from edge.domain import Camera, Frame

AMBIENT, COVERED = 0.5, 0.02  # brightness by the room's light alone, and behind a cover; shares of the lit picture's


class LampFault(Enum):
    """What can be wrong with it."""

    DEAD = "dead"  # it gets its current and gives no light
    COVER = "cover"  # something sticks on the lens


class LitCamera:
    """Implements `edge.domain.Camera`. fault: what is wrong now; None for nothing. Set it from any thread."""

    def __init__(self, camera: Camera, config: config.Lamp, pin_factory: Any) -> None:
        self._camera = camera
        self._config = config
        self._pin_factory = pin_factory
        self.fault: LampFault | None = None

    def __enter__(self) -> LitCamera:
        self._camera.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._camera.__exit__(*exc)

    def read_latest(self, max_age_s: float) -> Frame:
        frame = self._camera.read_latest(max_age_s)
        brightness = self._brightness()
        if brightness == 1.0:
            return frame
        return replace(frame, rgb=np.asarray(cv2.convertScaleAbs(frame.rgb, alpha=brightness), np.uint8))

    def _brightness(self) -> float:
        if self.fault is LampFault.COVER:
            return COVERED
        lit = bool(self._pin_factory.pin(self._config.pin).state) == self._config.active_high
        return 1.0 if lit and self.fault is not LampFault.DEAD else AMBIENT
