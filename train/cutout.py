"""Cuts the item out of a photograph of it on a near-uniform board (TrashNet: white poster board).

The board is a smooth field of light; the item is what breaks it by colour, sharp edges, brightness or deep dark.
A shadow only darkens, softly and without colour, so it is no item: it is kept as a factor that darkens any other
ground the item is laid on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import Box, RgbImage, read_only

Plane: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.uint8]

WORK_PX = 224  # longer side on which the mask is found
FIELD_PX = (16, 12)  # width, height of the stored field: it is smooth
ROUGHEST = 1.2  # fine detail of a board, of 255 (median): TrashNet's poster board has 0.7..1.0, cardboard 1.4 and more
DARKEST = 4.0  # added before every logarithm: the sensor's noise floor, of 255
BROWNEST = (
    0.72  # least over greatest channel of a board: under warm light TrashNet's has 0.77, brown cardboard 0.6..0.7
)


@dataclass(frozen=True, eq=False)
class Cutout:
    """One item and the light around it.

    alpha: (H, W) uint8, 255 = item, soft at the edge.
    shade: (H, W) uint8, light on the board over the empty board's light, 255 = no shadow; smooth.
    field: (12, 16, 3) uint8, the empty board without shadow, to be enlarged to (H, W).
    box: the item's rectangle. touched: which sides of the photograph cut it (left, top, right, bottom).
    """

    alpha: NDArray[np.uint8]
    shade: NDArray[np.uint8]
    field: RgbImage
    box: Box
    touched: tuple[bool, ...]

    def __post_init__(self) -> None:
        for name in ("alpha", "shade", "field"):
            object.__setattr__(self, name, read_only(getattr(self, name)))


def whole(rgb: RgbImage) -> Cutout:
    """(H, W, 3) uint8 → all of it as one item, a sheet under a light of no colour."""
    height, width = rgb.shape[:2]
    full = np.full((height, width), 255, np.uint8)
    field = np.full((FIELD_PX[1], FIELD_PX[0], 3), 255, np.uint8)
    return Cutout(full, full, field, Box(0, 0, width, height), (False,) * 4)


def cut_out(rgb: RgbImage) -> Cutout | None:
    """(H, W, 3) uint8 → the item, or None where it cannot be told from its ground.

    None: no near-uniform board along the border, nothing on it, the item fills the frame or is cut by more than
    two of its sides, or its outline is not an edge of the photograph.
    """
    height, width = rgb.shape[:2]
    scale = WORK_PX / max(height, width)
    small = cv2.resize(rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    light = np.log(cv2.GaussianBlur(small, (0, 0), 0.6).astype(np.float32) + DARKEST)
    sharp = _sharpness(light)
    board = _find_board(light, sharp)
    if board is None:
        return None
    noise = float(np.median(sharp[board > 0]))
    if noise * float(np.exp(light[board > 0].max(axis=1)).mean()) > ROUGHEST:
        return None
    field = _fit_field(light, board)
    deviation = light - field
    rough = _without_soft_parts(_find_item(deviation, sharp, noise), deviation, sharp)
    if not 0.004 < rough.mean() < 0.9:
        return None
    mask = _to_the_edge(rough, deviation)
    if not _measure(mask, deviation, sharp).is_honest():
        return None
    return _finish((width, height), deviation, field, mask)


def _sharpness(light: Plane) -> Plane:
    """(h, w): how much detail is finer than a shadow's soft edge, in log light."""
    fine = np.abs(light - cv2.GaussianBlur(light, (0, 0), 2.5)).max(axis=2)
    return np.asarray(cv2.GaussianBlur(fine, (0, 0), 0.8), np.float32)


def _find_board(light: Plane, sharp: Plane) -> Mask | None:
    """The smooth region that follows the border for longest, brightness and lack of colour counting too."""
    smooth = cv2.erode((sharp < 0.02).astype(np.uint8), np.ones((3, 3), np.uint8))
    count, names = cv2.connectedComponents(smooth, connectivity=4)
    rim = np.concatenate([names[:3].ravel(), names[-3:].ravel(), names[:, :3].ravel(), names[:, -3:].ravel()])
    along = np.bincount(rim, minlength=count) / len(rim)
    best, best_score = 0, 0.0
    for name in np.flatnonzero(along[1:] > 0.06) + 1:
        channels = np.exp(cv2.mean(light, (names == name).astype(np.uint8))[:3])
        greyness = channels.min() / channels.max()
        score = along[name] * greyness * channels[1] / 255 * (greyness > BROWNEST)
        if score > best_score:
            best, best_score = int(name), score
    board = (names == best).astype(np.uint8)
    return board if best_score > 0.03 and board.mean() > 0.08 else None


def _fit_field(light: Plane, board: Mask) -> Plane:
    """Log light of the empty board: quadratic in x and y, fitted robustly, shadows counting less."""
    height, width = board.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    chosen = np.flatnonzero(board)
    chosen = chosen[:: max(1, len(chosen) // 3000)]
    design, seen = terms[chosen], light.reshape(-1, 3)[chosen]
    weight = np.ones(len(chosen), np.float32)
    ridge = np.diag([0, 1, 1, 3, 3, 3]).astype(np.float32) * 2e-3 * len(chosen)
    for _ in range(6):
        weighted = design * weight[:, None]
        coefficients = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ seen)
        residual = (seen - design @ coefficients).mean(axis=1)
        allowed = np.where(residual < 0, 0.03, 0.06)  # a shadow is darker than the board, never brighter
        weight = 1 / (1 + (residual / allowed) ** 2)
    field = (terms @ coefficients).reshape(light.shape)
    return np.asarray(np.minimum(field, np.log(255 + DARKEST)), np.float32)


def _find_item(deviation: Plane, sharp: Plane, noise: float) -> Mask:
    """(h, w) 0/1: what the border's board cannot reach without crossing colour, edges, brightness or deep dark."""
    bright, colour = _bright_and_colour(deviation)
    dark = np.clip(-bright, 0, 1)  # shadows are tinted by the room's walls, and noisier in log light
    edge = min(0.03, max(0.012, 3.5 * noise)) * (1 + dark)
    evidence = np.maximum.reduce([colour / (0.08 + 0.2 * dark), sharp / edge, bright / 0.10, dark / 0.9])
    barrier = _closed((evidence > 1).astype(np.uint8), 9)
    _, names, stats, _ = cv2.connectedComponentsWithStats(1 - barrier, connectivity=4)
    ground = np.zeros_like(barrier)
    height, width = barrier.shape
    for name in range(1, len(stats)):
        x, y, w, h, area = stats[name]
        at_border = x == 0 or y == 0 or x + w == width or y + h == height
        if at_border and area > 20 and np.median(np.abs(bright[names == name])) < 0.25:
            ground[names == name] = 1
    return _main_parts(cv2.morphologyEx(1 - ground, cv2.MORPH_OPEN, _disc(7)))


def _without_soft_parts(rough: Mask, deviation: Plane, sharp: Plane) -> Mask:
    """Less the dark, smooth surroundings of an item that stands out sharply: shadows, tinted ones too.

    The threshold that finds white paper's outline finds the shadow of everything else.
    """
    bright, colour = _bright_and_colour(deviation)
    strong = _closed((np.maximum.reduce([colour / 0.3, sharp / 0.045, -bright / 0.9]) > 1).astype(np.uint8), 7)
    strong = _main_parts(cv2.morphologyEx(np.minimum(_filled(strong), rough), cv2.MORPH_OPEN, _disc(5)))
    if strong.sum() < 0.35 * rough.sum():
        return rough
    around = np.where(cv2.dilate(strong, _disc(5)) > 0, np.uint8(0), rough)
    count, names, stats, _ = cv2.connectedComponentsWithStats(around, connectivity=4)
    outline = cv2.dilate(sharp, _disc(7))
    rim = rough - cv2.erode(rough, _disc(3), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    kept = rough.copy()
    for name in range(1, count):
        x, y, w, h, _ = stats[name]
        window = (slice(y, y + h), slice(x, x + w))
        part = names[window] == name
        edge = outline[window][part & (rim[window] > 0)]
        soft = np.percentile(sharp[window][part], 90) < 0.026 and len(edge) and np.median(edge) < 0.026
        if soft and -bright[window][part].mean() > 0.08:
            kept[window][part] = 0
    return _main_parts(cv2.morphologyEx(kept, cv2.MORPH_OPEN, _disc(7)))


def _filled(mask: Mask) -> Mask:
    """The mask with its holes: all that no path outside it joins to the border."""
    wide = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(wide, None, (0, 0), 2)
    return np.asarray(wide[1:-1, 1:-1] != 2, np.uint8)


def _bright_and_colour(deviation: Plane) -> tuple[Plane, Plane]:
    """(h, w, 3) log light over the board's → mean over the channels, and the greatest departure from it."""
    bright = deviation.mean(axis=2)
    return bright, np.abs(deviation - bright[..., None]).max(axis=2)


def _closed(mask: Mask, diameter: int) -> Mask:
    """Closed as if the picture went on past its border, mirrored."""
    wide = cv2.copyMakeBorder(mask, diameter, diameter, diameter, diameter, cv2.BORDER_REFLECT)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, _disc(diameter))
    return np.asarray(closed[diameter:-diameter, diameter:-diameter], np.uint8)


def _main_parts(item: cv2.typing.MatLike) -> Mask:
    """The components of at least a fifth of the largest one's area."""
    _, names, stats, _ = cv2.connectedComponentsWithStats(item, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return np.asarray(np.isin(names, np.flatnonzero(areas > 0.2 * areas.max())), np.uint8) * np.uint8(areas.max() > 0)


def _to_the_edge(rough: Mask, deviation: Plane) -> Mask:
    """The outline drawn in from `rough`, which is a few pixels wide of it, to the strongest edge (a watershed)."""
    _, colour = _bright_and_colour(deviation)
    wide = cv2.copyMakeBorder(rough, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    inward = cv2.distanceTransform(wide, cv2.DIST_L2, 3)[1:-1, 1:-1]
    certain = (inward > 7) | ((colour > 0.2) & (inward > 2))
    markers = np.where(certain, 2, np.where(rough > 0, 0, 1)).astype(np.int32)
    relief = np.clip((deviation + 1.5) * 130, 0, 255).astype(np.uint8)
    # OpenCV's watershed gives the picture's outermost pixels to nobody.
    markers = np.pad(markers, 1, mode="edge")
    cv2.watershed(cv2.copyMakeBorder(relief, 1, 1, 1, 1, cv2.BORDER_REPLICATE), markers)
    return _main_parts(cv2.medianBlur((markers[1:-1, 1:-1] == 2).astype(np.uint8), 5))


class _Outline(NamedTuple):
    """What tells a good outline from a bad one; shares, 0..1 unless said otherwise."""

    area: float  # of the photograph
    framed: float  # of the photograph's frame that cuts the item
    compact: float  # of the outline's own closing (41 px) that it fills
    on_edge: float  # of its length where the photograph changes across it
    largest: float  # of its area in one piece
    edges_left: float  # edges outside over the outline's length, 0 and more
    colour_left: float  # colour outside over the item's area, 0 and more

    def is_honest(self) -> bool:
        return (
            0.01 < self.area < 0.8
            and self.framed < 0.45
            and min(self.compact, self.on_edge, self.largest) > 0.87
            and self.edges_left < 0.3
            and self.colour_left < 0.05
        )


def _measure(mask: Mask, deviation: Plane, sharp: Plane) -> _Outline:
    frame = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    rim = (mask - cv2.erode(mask, _disc(3), borderType=cv2.BORDER_CONSTANT, borderValue=1)) > 0
    length = max(1, int(rim.sum()))
    within, without = (
        cv2.blur(deviation * part[..., None], (7, 7)) / (cv2.blur(part, (7, 7))[..., None] + 1e-3)
        for part in (mask.astype(np.float32), 1 - mask.astype(np.float32))
    )
    step = np.abs(within - without).max(axis=2)[rim]
    bright, colour = _bright_and_colour(deviation)
    outside = cv2.dilate(mask, _disc(17)) == 0
    edges = outside & (sharp > 0.02 * (1 + np.clip(-bright, 0, 1)))
    areas = cv2.connectedComponentsWithStats(mask, connectivity=4)[2][1:, cv2.CC_STAT_AREA]
    total = max(1, int(mask.sum()))
    return _Outline(
        area=float(mask.mean()),
        framed=float(frame.mean()),
        compact=total / max(1, int(_closed(mask, 41).sum())),
        on_edge=float((step > 0.04).sum()) / length,
        largest=int(areas.max(initial=0)) / total,
        edges_left=float(edges.sum()) / (4 * length),
        colour_left=float((outside & (colour > 0.2)).sum()) / total,
    )


def _disc(diameter: int) -> Mask:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter)), np.uint8)


def _finish(side: tuple[int, int], deviation: Plane, field: Plane, mask: Mask) -> Cutout:
    """Mask and light at (h, w) → the cut-out at the photograph's own size, `side` = (W, H)."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)
    soft = np.clip((cv2.resize(soft, side, interpolation=cv2.INTER_LINEAR) - 0.4) / 0.4, 0, 1)
    alpha = np.rint(255 * soft).astype(np.uint8)
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 127), np.flatnonzero(alpha.max(axis=0) > 127)
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    touched = tuple(bool(edge.mean() > 0.02) for edge in (mask[:, 0], mask[0], mask[:, -1], mask[-1]))
    coarse = np.exp(cv2.resize(field, FIELD_PX, interpolation=cv2.INTER_AREA)) - DARKEST
    return Cutout(alpha, _shade(deviation, mask, side), np.clip(coarse, 1, 255).astype(np.uint8), box, touched)


def _shade(deviation: Plane, mask: Mask, side: tuple[int, int]) -> Mask:
    """(H, W): the board's light over the empty board's around the item, carried on smoothly under it."""
    ground = cv2.erode(1 - mask, _disc(3), borderType=cv2.BORDER_REPLICATE).astype(np.float32)
    light = np.exp(np.clip(deviation.mean(axis=2), -1.5, 0))
    near, far = ((cv2.GaussianBlur(light * ground, (0, 0), s), cv2.GaussianBlur(ground, (0, 0), s)) for s in (1.5, 12))
    under = (far[0] + 1e-3) / (far[1] + 1e-3)
    shade = (near[0] + 0.05 * under) / (near[1] + 0.05)
    return np.asarray(np.rint(255 * np.clip(cv2.resize(shade, side), 0, 1)), np.uint8)
