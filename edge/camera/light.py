"""How bright the tray is, against when it was last seen empty: a bin must not go on by the light that a lamp left.

Of a darker picture nobody knows whether an item lies in it. So from the first dim frame on nothing is classified until
the lamp has been seen to work (then something large and dark lies there), or the light is back.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edge.camera.condition import DARK_SHARE
from edge.camera.view import cut_region
from edge.domain import Frame

DIM = 0.75  # share of the brightness learnt; presence takes out a change up to 0.7


class Level(NamedTuple):
    """Grey levels of the tray in one frame. bright: what 95 of 100 pixels are below."""

    mean: float
    bright: float


class TrayLight:
    """Looks at every frame. trusted: set by who has seen the lamp work since the light became dim."""

    def __init__(self, region: tuple[float, float, float, float]) -> None:
        self._region = region
        self.forget()

    def forget(self) -> None:
        """Learn anew how bright the empty tray is."""
        self._learnt: float | None = None
        self.dim = self.trusted = False

    def look(self, frame: Frame) -> None:
        dim = self._learnt is not None and self.level(frame).bright < DIM * self._learnt
        if dim != self.dim:
            self.dim, self.trusted = dim, False

    def learn(self, frame: Frame) -> None:
        """The bin sees the tray empty in this frame."""
        if not self.dim:
            self._learnt = self.level(frame).bright

    @property
    def unfit(self) -> bool:
        """Whether the frame looked at last must not be used."""
        return self.dim and not self.trusted

    def level(self, frame: Frame) -> Level:
        tray = cut_region(frame.rgb, self._region)
        step = max(1, tray.shape[1] // 160)
        grey = cv2.cvtColor(np.ascontiguousarray(tray[::step, ::step]), cv2.COLOR_RGB2GRAY)
        return Level(float(grey.mean()), float(np.percentile(grey, 100 * DARK_SHARE)))
