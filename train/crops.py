"""What the network is shown of a photograph: a crop, its item's box, its item or all of it on another tray."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import RgbImage
from train.augment import augment, recolour, turn
from train.config import AugmentConfig, ScenesConfig
from train.cutout import Cutout, whole
from train.mixing import EMPTY
from train.scenes.backgrounds import Backgrounds
from train.scenes.camera import camera
from train.scenes.compose import place

SEE_THROUGH = {"glass": 0.9, "plastic": 0.5}
"""How much of the background may show through the bright, grey parts of an item of these classes; else nothing."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """A training photograph in memory. cutout: its item; None where it could not be cut out."""

    rgb: RgbImage
    cutout: Cutout | None


@dataclass(frozen=True, eq=False)
class CropMaker:
    """Draws training crops.

    photographs, targets: N of each; labels: names of the K classes; backgrounds: None where nothing is composed.
    """

    photographs: Sequence[Photograph]
    targets: NDArray[np.int64]  # (N,)
    labels: tuple[str, ...]
    config: AugmentConfig
    backgrounds: Backgrounds | None

    def make(self, photo: int, crop_px: int, rng: np.random.Generator) -> tuple[RgbImage, int]:
        """A crop (crop_px, crop_px, 3) uint8 of photograph number `photo`, and its target: a class or EMPTY.

        Where a photograph whose item could not be cut out should be composed, another of its class stands in: most
        cardboard fills its photograph, and a tray in the picture must not come to mean "no cardboard".
        """
        target, kind = int(self.targets[photo]), _draw_kind(self.config.scenes, rng)
        if kind == "empty" and self.backgrounds is not None:
            return self.seen_by_a_camera(self.backgrounds.draw(rng, crop_px), rng), EMPTY
        if kind == "sheet" and self.backgrounds is not None:
            return self.seen_by_a_camera(self._sheet(photo, crop_px, rng), rng), target
        if kind != "plain" and self.photographs[photo].cutout is None and len(self._cut[target]):
            photo = int(rng.choice(self._cut[target]))
        if kind == "composed":
            crop = self.composed(photo, crop_px, rng)
        elif kind == "followed":
            crop = self._followed(photo, crop_px, rng)
        else:
            crop = augment(self.photographs[photo].rgb, self.config, crop_px, rng)
        return self.seen_by_a_camera(crop, rng), target

    @cached_property
    def _cut(self) -> list[NDArray[np.int64]]:
        """For each class, the photographs whose items are cut out."""
        cut = np.array([photograph.cutout is not None for photograph in self.photographs], bool)
        return [np.flatnonzero(cut & (self.targets == k)) for k in range(len(self.labels))]

    def composed(self, photo: int, crop_px: int, rng: np.random.Generator) -> RgbImage:
        """(crop_px, crop_px, 3): the photograph's item on another tray; a crop of it where it is not cut out."""
        shown = self.photographs[photo]
        if shown.cutout is None or self.backgrounds is None:
            return augment(shown.rgb, self.config, crop_px, rng)
        background = self.backgrounds.draw(rng, crop_px)
        most = SEE_THROUGH.get(self.labels[int(self.targets[photo])], 0.0)
        see_through = most * math.sqrt(max(0.0, rng.uniform(-1 / 3, 1)))  # a quarter: opaque
        return place(shown.rgb, shown.cutout, rng, crop_px, background=background, see_through=see_through)

    def _sheet(self, photo: int, crop_px: int, rng: np.random.Generator) -> RgbImage:
        """Small and with its board round it, an item is still what it is, and not the sheet of paper it lies on."""
        rgb = self.photographs[photo].rgb
        assert self.backgrounds is not None
        return place(rgb, whole(rgb), rng, crop_px, background=self.backgrounds.draw(rng, crop_px))

    def _followed(self, photo: int, crop_px: int, rng: np.random.Generator) -> RgbImage:
        shown = self.photographs[photo]
        if shown.cutout is None:
            return augment(shown.rgb, self.config, crop_px, rng)
        return turn(_follow(shown.rgb, shown.cutout, crop_px, rng), self.config, rng)

    def seen_by_a_camera(self, crop: RgbImage, rng: np.random.Generator) -> RgbImage:
        """(S, S, 3) uint8 → the same in other colours and, in some crops, through another camera."""
        crop = recolour(crop, self.config, rng)
        return camera(crop, rng, rng.random()) if rng.random() < self.config.camera else crop


def _draw_kind(plan: ScenesConfig | None, rng: np.random.Generator) -> str:
    if plan is None:
        return "plain"
    drawn = rng.random()
    shares = {"composed": plan.composed, "followed": plan.followed, "sheet": plan.sheet, "empty": plan.empty}
    for kind, share in shares.items():
        if drawn < share:
            return kind
        drawn -= share
    return "plain"


def _follow(rgb: RgbImage, cutout: Cutout, crop_px: int, rng: np.random.Generator) -> RgbImage:
    """The item's box with a margin round it, squashed to the square: what the bin's presence detection cuts."""
    left, top, right, bottom = cutout.box  # x0, y0, x1, y1
    longer = max(right - left, bottom - top)
    margins = rng.uniform(0.0, 0.4, 4) * longer  # the bin's own is 0.2
    height, width = rgb.shape[:2]
    y0, y1 = max(0, round(top - margins[0])), min(height, round(bottom + margins[1]))
    x0, x1 = max(0, round(left - margins[2])), min(width, round(right + margins[3]))
    return np.asarray(cv2.resize(rgb[y0:y1, x0:x1], (crop_px, crop_px), interpolation=cv2.INTER_AREA), np.uint8)
