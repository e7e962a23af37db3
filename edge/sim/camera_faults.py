"""A camera that fails on request, around one that works: for `simulate --faults` and for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

import cv2
import numpy as np

from edge.domain import Camera, Frame, RgbImage
from edge.errors import StaleFrame


class CameraFault(Enum):
    """What can be wrong with it."""

    FREEZE = "freeze"  # fresh frames, always the same picture
    DARKEN = "darken"
    OVEREXPOSE = "overexpose"
    BLUR = "blur"
    MOVE = "move"  # somebody knocked against the mount
    CORRUPT = "corrupt"  # noise instead of pictures
    TEAR = "tear"  # a part of each picture does not arrive
    UNPLUG = "unplug"  # no frame any more; the last one grows old


class FaultyCamera:
    """Implements `edge.domain.Camera`. fault: what is wrong now; None for nothing. Set it from any thread."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._before: Frame | None = None
        self.fault: CameraFault | None = None

    def __enter__(self) -> FaultyCamera:
        self._camera.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._camera.__exit__(*exc)

    def read_latest(self, max_age_s: float) -> Frame:
        fault = self.fault
        if fault is CameraFault.UNPLUG:
            raise StaleFrame(
                f"the simulated camera is unplugged: no frame younger than {max_age_s:.3f} s; set its fault to None"
            )
        frame = self._camera.read_latest(max_age_s)
        if fault is CameraFault.FREEZE and self._before is not None:
            return replace(frame, rgb=self._before.rgb)
        self._before = frame
        return frame if fault not in _SPOIL else replace(frame, rgb=_SPOIL[fault](frame))


def _scaled(frame: Frame, gain: float) -> RgbImage:
    return np.asarray(cv2.convertScaleAbs(frame.rgb, alpha=gain), np.uint8)


def _blurred(frame: Frame) -> RgbImage:
    return np.asarray(cv2.GaussianBlur(frame.rgb, (0, 0), frame.rgb.shape[1] / 128), np.uint8)


def _moved(frame: Frame) -> RgbImage:
    height, width = frame.rgb.shape[:2]
    by = np.array([[1, 0, width / 12], [0, 1, height / 15]], np.float32)
    return np.asarray(cv2.warpAffine(frame.rgb, by, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def _noise(frame: Frame) -> RgbImage:
    return np.random.default_rng(frame.seq).integers(0, 256, frame.rgb.shape, np.uint8)


def _torn(frame: Frame) -> RgbImage:
    rgb = frame.rgb.copy()
    arrived = np.random.default_rng(frame.seq).uniform(0.4, 1.0)
    rgb[int(arrived * rgb.shape[0]) :] = 128  # what JPEG decoders fill in
    return rgb


_SPOIL: dict[CameraFault | None, Callable[[Frame], RgbImage]] = {
    CameraFault.DARKEN: lambda frame: _scaled(frame, 0.05),
    CameraFault.OVEREXPOSE: lambda frame: _scaled(frame, 5.0),
    CameraFault.BLUR: _blurred,
    CameraFault.MOVE: _moved,
    CameraFault.CORRUPT: _noise,
    CameraFault.TEAR: _torn,
}
"""Each gives (H, W, 3) uint8 of the frame's size."""
