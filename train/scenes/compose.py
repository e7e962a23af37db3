"""Lays a cut-out item on another background, with its shadow, without its old board's light."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import RgbImage
from train.cutout import Cutout
from train.scenes.light import lamp, shadow_edge
from train.scenes.textures import Plane


def compose(
    rgb: RgbImage, cutout: Cutout, background: RgbImage, rng: np.random.Generator, *, see_through: float = 0.0
) -> RgbImage:
    """The item where it lies in its photograph, on `background`, all (H, W, 3) uint8.

    see_through: 0..1, how much of the background shows where the item is as bright and as uncoloured as the board.
    """
    height, width = rgb.shape[:2]
    board = np.asarray(cv2.resize(cutout.field, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return _to_uint8(_lay(rgb, cutout.alpha, cutout.shade, board, background, rng, see_through))


def place(
    rgb: RgbImage,
    cutout: Cutout,
    rng: np.random.Generator,
    size_px: int,
    *,
    background: RgbImage,
    see_through: float = 0.0,
) -> RgbImage:
    """(size_px, size_px, 3) uint8: the item somewhere on `background`, which is of that size.

    Any way round (nearly upright where the photograph's frame cut it: the cut side then lies outside the picture),
    mirrored or not, squashed by up to a quarter, a fifth of the picture long to all of it, now and then partly outside.
    """
    matrix, shrink = _pose(cutout, rng, size_px)
    height, width = rgb.shape[:2]
    size = (width, height)
    light = np.dstack([cutout.alpha, cutout.shade])
    if shrink < 1:
        side = (max(2, round(width * shrink)), max(2, round(height * shrink)))
        rgb, light = (np.asarray(cv2.resize(a, side, interpolation=cv2.INTER_AREA), np.uint8) for a in (rgb, light))
    item = _warped(rgb, matrix, size, size_px)
    light = _warped(light, matrix, size, size_px, outside=(0, 255))
    board = _warped(cutout.field, matrix, size, size_px)
    scene = _lay(item, light[..., 0], light[..., 1], board, background, rng, see_through)
    if rng.random() < 0.3:
        scene *= lamp(rng, size_px)
    if rng.random() < 0.12:
        scene *= cv2.merge([shadow_edge(rng, size_px)] * 3)
    return _to_uint8(scene)


def _warped(
    picture: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    size_px: int,
    outside: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """`picture`, whatever its own size, stands for a photograph of `size` (width, height), which `matrix` moves."""
    matrix = matrix.copy()
    matrix[:, 0] *= size[0] / picture.shape[1]
    matrix[:, 1] *= size[1] / picture.shape[0]
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    warped = cv2.warpAffine(picture, matrix, (size_px, size_px), borderMode=border, borderValue=outside or (0,))
    return np.asarray(warped, np.uint8)


def _pose(cutout: Cutout, rng: np.random.Generator, size_px: int) -> tuple[NDArray[np.float64], float]:
    """(2, 3): photograph → picture, and by how much to shrink the photograph first so that nothing aliases."""
    step = 4
    inside = cv2.findNonZero((cutout.alpha[::step, ::step] > 127).astype(np.uint8))
    hull = cv2.convexHull(inside)[:, 0].astype(np.float64) * step + step / 2
    turn = rng.uniform(0, 2 * math.pi)
    if any(cutout.touched):
        turn = math.radians(90 * int(rng.integers(4)) + rng.uniform(-6, 6))
    squash = math.exp(rng.uniform(-0.5, 0.5) * math.log(1.25)) * np.array([1, rng.choice([-1, 1])])
    squash[1] /= squash[0] ** 2
    cos, sin = math.cos(turn), math.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]]) * squash[None]
    turned = hull @ linear.T
    length = float(np.ptp(turned, axis=0).max())
    share = rng.uniform(0.6, 0.95) if rng.random() < 0.7 else rng.uniform(0.2, 0.6)
    low_cut, high_cut = _cut_sides(cutout, linear)
    spanned = low_cut & high_cut
    if any(cutout.touched):
        share = max(share, 0.6)  # part of it goes outside the picture
    scale = share * size_px / length
    if spanned.any():  # both of its ends are cut: it must reach from side to side
        scale = max(scale, 1.15 * size_px / float(np.ptp(turned, axis=0)[spanned].min()))
    low, high = scale * turned.min(axis=0), scale * turned.max(axis=0)
    shift = np.empty(2)
    for axis in (0, 1):
        room = size_px - (high[axis] - low[axis])
        tilt = 0.08 * (high[1 - axis] - low[1 - axis]) + 2  # what 6 degrees lift off the cut side
        if spanned[axis]:
            at = rng.uniform(room + tilt, -tilt) if room < -2 * tilt else room / 2
        elif low_cut[axis]:
            at = -tilt
        elif high_cut[axis]:
            at = room + tilt
        else:
            at = room * (0.5 + 0.5 * rng.uniform(-1, 1) * rng.random() ** 0.5)
            if rng.random() < 0.1:
                at += rng.choice([-1, 1]) * rng.uniform(0.1, 0.35) * (high[axis] - low[axis])
        shift[axis] = at - low[axis]
    return np.hstack([scale * linear, shift[:, None]]), min(1.0, 1.2 * scale)


def _cut_sides(cutout: Cutout, linear: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which sides of the turned picture (x, y; low and high) lie where the photograph's frame cut the item."""
    low, high = np.zeros(2, bool), np.zeros(2, bool)
    for touched, outward in zip(cutout.touched, ((-1, 0), (0, -1), (1, 0), (0, 1)), strict=True):
        if touched:
            direction = linear @ np.array(outward)
            axis = int(np.abs(direction).argmax())
            (low if direction[axis] < 0 else high)[axis] = True
    return low, high


def _lay(
    rgb: RgbImage,
    alpha_byte: NDArray[np.uint8],
    shade_byte: NDArray[np.uint8],
    board_byte: RgbImage,
    background: RgbImage,
    rng: np.random.Generator,
    see_through: float,
) -> Plane:
    """(H, W, 3) float32, 0..255 and over. All given at (H, W).

    A soft pixel of the photograph is item and board mixed, so the board's share is taken out before the new ground's
    is put in: no halo of the old board.
    """
    alpha = np.asarray(cv2.merge([alpha_byte * np.float32(1 / 255)] * 3), np.float32)
    seen, board, ground = rgb.astype(np.float32), board_byte.astype(np.float32), background.astype(np.float32)
    old_ground = board * cv2.merge([shade_byte * np.float32(1 / 255)] * 3)
    item = np.clip(seen - (1 - alpha) * old_ground, 0, 255 * alpha) * _relight(board, rng)
    ground *= cv2.merge([_shadow(alpha_byte, shade_byte, rng)] * 3)
    if see_through > 0:
        item += see_through * _let_through(item, seen, board, ground, alpha, rng)
    return np.asarray(item + (1 - alpha) * ground, np.float32)


def _let_through(
    item: Plane, seen: Plane, board: Plane, ground: Plane, alpha: Plane, rng: np.random.Generator
) -> Plane:
    """What to add to the item where it passes the board's light, so that it passes the ground's; highlights stay."""
    passed = seen / np.maximum(board, 8)
    red, green, blue = cv2.split(cv2.blur(passed, (3, 3)))
    most, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    tolerated = rng.uniform(0.1, 0.5)  # coloured glass lets light through too, but so looks a printed label
    clear = np.clip((most - 0.2) / 0.4, 0, 1) * np.clip(2 - (1 - least / np.maximum(most, 0.05)) / tolerated, 0, 1)
    through = alpha * (ground * np.minimum(passed, 1) + np.maximum(seen - board, 0))
    return np.asarray(cv2.merge([cv2.blur(clear, (5, 5))] * 3) * (through - item), np.float32)


def _relight(board: Plane, rng: np.random.Generator) -> Plane:
    """(3,): the old lamp's colour taken from the item, more or less, and a little more or less light."""
    lit = np.array(cv2.mean(board)[:3])
    gains = (lit.mean() / lit) ** rng.uniform(0, 1) * math.exp(rng.normal(0, 0.12))
    return np.asarray(gains, np.float32)


def _shadow(alpha: NDArray[np.uint8], shade: NDArray[np.uint8], rng: np.random.Generator) -> Plane:
    """(H, W): light left on the ground: the shadow of the photograph, and usually another lamp's."""
    height, width = alpha.shape
    own = np.float32(rng.uniform(0.2, 1.2))
    left = (shade * np.float32(1 / 255)) ** own
    if rng.random() < 0.7:
        side = (width // 4, height // 4)
        small = cv2.resize(alpha, side, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for reach, depth in ((rng.uniform(0, 0.02), 0.5), (rng.uniform(0.02, 0.12), 0.55)):
            angle = rng.uniform(0, 2 * math.pi)
            away = np.array([[1, 0, reach * side[0] * math.cos(angle)], [0, 1, reach * side[1] * math.sin(angle)]])
            cast = cv2.GaussianBlur(cv2.warpAffine(small, away, side), (0, 0), 0.4 + 0.7 * reach * side[0])
            left = left * (1 - np.float32(rng.uniform(0, depth)) * cv2.resize(cast, (width, height)))
    return np.asarray(left, np.float32)


def _to_uint8(picture: Plane) -> RgbImage:
    return np.clip(picture, 0, 255).astype(np.uint8)
