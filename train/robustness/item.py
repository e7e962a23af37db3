"""The item of a photograph, and how it is laid on another ground."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, RgbImage
from train.cutout import Cutout
from train.robustness.ground import Ground
from train.robustness.light import Colour, to_linear
from train.robustness.noise import Plane, Size, blurred, smoothstep

BOARD = 0.85
"""Share of the light that a white poster board sends back."""

SEE_THROUGH = {"glass": 0.8, "plastic": 0.4}
"""How much of the board seen through an item is exchanged for the new ground; classes not named are opaque."""


@dataclass(frozen=True, eq=False)
class Item:
    """What is laid on a ground; all planes (H, W) in the photograph's own place.

    colour: (H, W, 3) linear albedo times cover. cover: 0..1. clear: 0..1, how far the ground shows through the item.
    shade: 0..1, light that the item leaves on the ground beside it. box: its rectangle. cut_by: the sides of the
    photograph that cut it (left, top, right, bottom).
    """

    colour: Colour
    cover: Plane
    clear: Plane
    shade: Plane
    box: Box
    cut_by: tuple[bool, ...]


def lift(rgb: RgbImage, cutout: Cutout, label: str) -> Item:
    """The item off its board: its light is divided by the board's, its rim freed from the board's colour."""
    height, width = rgb.shape[:2]
    field = to_linear(np.asarray(cv2.resize(cutout.field, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8))
    albedo = np.asarray(np.clip(BOARD * to_linear(rgb) / np.maximum(field, 0.02), 0, 1.2), np.float32)
    cover = (cutout.alpha / np.float32(255)).astype(np.float32)
    inside = cv2.erode((cutout.alpha > 250).astype(np.float32), np.ones((5, 5), np.uint8))
    weight = cv2.GaussianBlur(inside, (0, 0), 2.0)[..., None]
    inner = cv2.GaussianBlur(albedo * inside[..., None], (0, 0), 2.0) / np.maximum(weight, 1e-3)
    rim = np.clip(4 * weight, 0, 1) * (1 - cv2.GaussianBlur(inside, (0, 0), 0.8)[..., None])
    albedo = np.asarray(albedo * (1 - rim) + inner * rim, np.float32)
    return Item(
        colour=np.asarray(albedo * cover[..., None], np.float32),
        cover=cover,
        clear=_clear(albedo, SEE_THROUGH.get(label, 0.0)),
        shade=_shade_nearby(cutout, cover),
        box=cutout.box,
        cut_by=cutout.touched,
    )


def _shade_nearby(cutout: Cutout, cover: Plane) -> Plane:
    """(H, W): the item's own shadow, fading with distance and before the photograph's border, where it would break."""
    near = np.clip(3 * blurred(cover, 30), 0, 1)
    near[0], near[-1], near[:, 0], near[:, -1] = (0 if not cut else 1 for cut in np.array(cutout.touched)[[1, 3, 0, 2]])
    distance = cv2.distanceTransform((near > 0).astype(np.uint8), cv2.DIST_L2, 5)
    fade = near * smoothstep(0, 40, np.asarray(distance, np.float32))
    return np.asarray(1 - (1 - cutout.shade / np.float32(255)) * fade, np.float32)


def sheet(rgb: RgbImage) -> Item:
    """A photograph whose item could not be cut out, to be laid as a whole, board and all."""
    height, width = rgb.shape[:2]
    ones = np.ones((height, width), np.float32)
    return Item(to_linear(rgb), ones, np.zeros_like(ones), ones, Box(0, 0, width, height), (False,) * 4)


def _clear(albedo: Colour, most: float) -> Plane:
    """(H, W): bright grey parts look like the board that shines through them; mirrored light is brighter still."""
    brightness, darkest = albedo.mean(axis=2) / BOARD, albedo.min(axis=2)
    grey = smoothstep(0.55, 0.85, np.asarray(darkest / np.maximum(albedo.max(axis=2), 1e-3), np.float32))
    lit = smoothstep(0.15, 0.6, np.asarray(brightness, np.float32)) - smoothstep(
        1.0, 1.15, np.asarray(brightness, np.float32)
    )
    return np.asarray(most * grey * np.clip(lit, 0, 1), np.float32)


def scatter(item: Item, size: Size, rng: np.random.Generator, *, area: float | None = None) -> NDArray[np.float64]:
    """(2, 3) affine matrix that turns, mirrors, moves and if need be shrinks the item, all of it staying in view.

    area: share of the picture that the item is to cover, lying near a corner then; None: as large as photographed,
    where that fits. An item that a side of the photograph cuts is not turned, and that side stays at the picture's
    edge: its straight cut must not show.
    """
    height, width = size
    mirror = np.diag([-1.0 if rng.random() < 0.5 else 1.0, 1.0])
    scale = 1.0 if area is None else min(1.0, float(np.sqrt(area * height * width / item.cover.sum())))
    angle = 0.0 if any(item.cut_by) else rng.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ mirror
    box = item.box
    corners = np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x0, box.y1], [box.x1, box.y1]]) @ linear.T
    if not any(item.cut_by):
        scale = min(scale, *(0.97 * np.array([width, height]) / np.ptp(corners, axis=0)))
    low, room = corners.min(axis=0) * scale, np.array([width, height]) - np.ptp(corners, axis=0) * scale
    share = rng.uniform(0.02, 0.98, 2) if area is None else rng.choice([0.06, 0.94], 2) + rng.uniform(-0.06, 0.06, 2)
    left, top, right, bottom = item.cut_by if mirror[0, 0] > 0 else [item.cut_by[i] for i in (2, 1, 0, 3)]
    share = np.where([left, top], 0.0, np.where([right, bottom], 1.0, share))
    return np.column_stack([linear * scale, room * share - low])


def shrinkable(item: Item) -> bool:
    """Can it be made smaller? Not where opposite sides of the photograph cut it: the cuts would show."""
    left, top, right, bottom = item.cut_by
    return not (left and right) and not (top and bottom)


def lay(item: Item, ground: Ground, matrix: NDArray[np.float64]) -> tuple[Colour, Plane]:
    """The item on the ground in the ground's light: (H, W, 3) linear light, and (H, W) its cover there."""
    height, width = ground.gloss.shape

    def moved(plane: NDArray[np.float32], beyond: float) -> NDArray[np.float32]:
        border = (beyond, beyond, beyond)
        warped = cv2.warpAffine(
            plane, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT, borderValue=border
        )
        return np.asarray(warped, np.float32)

    shrunk = min(1.0, float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    if shrunk < 0.8:  # an affine warp picks pixels: without a blur a small item would be grainier than a camera's
        item = _softened(item, 0.45 / shrunk)
    cover = np.clip(moved(item.cover, 0), 0, 1)[..., None]
    clear = moved(item.clear, 0)[..., None]
    contact = 1 - 0.45 * blurred(np.asarray(cover[..., 0], np.float32), 7 * max(shrunk, 0.4))
    shade = np.asarray(moved(item.shade, 1) * contact, np.float32)[..., None]
    body = moved(item.colour, 0) * (1 - clear + clear * ground.albedo / BOARD)
    bare = ground.albedo * ground.light * shade + ground.gloss[..., None] * shade
    return np.asarray(body * ground.light + (1 - cover) * bare, np.float32), np.asarray(cover[..., 0], np.float32)


def _softened(item: Item, sigma_px: float) -> Item:
    colour, cover, clear, shade = (
        np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px, borderType=cv2.BORDER_CONSTANT), np.float32)
        for plane in (item.colour, item.cover, item.clear, item.shade)
    )
    shade = np.asarray(cv2.GaussianBlur(item.shade, (0, 0), sigma_px), np.float32)
    return Item(colour, cover, clear, shade, item.box, item.cut_by)


def box_of(cover: Plane) -> Box | None:
    """The rectangle round what is covered at least half; None where nothing is."""
    rows, columns = np.flatnonzero(cover.max(axis=1) > 0.5), np.flatnonzero(cover.max(axis=0) > 0.5)
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
