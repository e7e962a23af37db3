"""Trays: a bank of textures made once, from which each call cuts, bends and lights another background."""

from __future__ import annotations

import math

import cv2
import numpy as np
from tqdm import tqdm

from edge.domain import RgbImage
from train.scenes.light import lamp
from train.scenes.textures import TEXTURES, Plane, paint, tint

BANK_PX = 320


class Backgrounds:
    """A bank of `count` textures, 320 × 320 px (0.3 MB each); every draw is another picture."""

    def __init__(self, rng: np.random.Generator, count: int = 300, *, progress: str | None = None) -> None:
        makers, weights = list(TEXTURES), np.array(list(TEXTURES.values()))
        chosen = rng.choice(len(makers), size=count, p=weights / weights.sum())
        bar = tqdm(chosen, desc=progress, disable=progress is None, unit="texture")
        self._bank = np.stack([_to_uint8(255 * makers[int(i)](rng, BANK_PX)) for i in bar])

    def draw(self, rng: np.random.Generator, size_px: int) -> RgbImage:
        """(size_px, size_px, 3) uint8: a tray with its dirt, rim and light."""
        tray = self._surface(rng, size_px)
        if rng.random() < 0.3:
            tray = _with_rim(tray, self._surface(rng, size_px), rng)
        if rng.random() < 0.25:
            _add_crumbs(tray, rng)
        if rng.random() < 0.15:
            _add_stain(tray, rng)
        if rng.random() < 0.1:
            _add_droplets(tray, rng)
        return _to_uint8(tray * lamp(rng, size_px))

    def _surface(self, rng: np.random.Generator, size_px: int) -> Plane:
        """(S, S, 3) float32, 0..255: one texture turned, scaled and recoloured."""
        texture = self._bank[int(rng.integers(len(self._bank)))]
        zoom = size_px / BANK_PX * math.exp(rng.uniform(math.log(0.75), math.log(2)))
        centre = rng.uniform(0.3 * BANK_PX, 0.7 * BANK_PX, 2)
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), rng.uniform(0, 360), zoom)
        matrix[:, 2] = matrix[:, 2] + size_px / 2 - centre
        side = (size_px, size_px)
        cut = cv2.warpAffine(texture, matrix, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        gains = math.exp(rng.normal(0, 0.2)) * tint(rng, 0.02)
        return np.asarray(cut * gains.astype(np.float32), np.float32)


def _to_uint8(picture: Plane) -> RgbImage:
    return np.clip(picture, 0, 255).astype(np.uint8)


def _with_rim(tray: Plane, wall: Plane, rng: np.random.Generator) -> Plane:
    """The tray's edge or corner: beyond one or two straight lines the wall begins, with a bright lip and a shadow."""
    size_px = len(tray)
    ramp = np.linspace(-1, 1, size_px, dtype=np.float32)
    angle, inset = rng.uniform(0, 2 * math.pi), rng.uniform(0.4, 1.0)
    beyond = math.cos(angle) * ramp[None] + math.sin(angle) * ramp[:, None] - inset
    if rng.random() < 0.4:
        beyond = np.maximum(beyond, -math.sin(angle) * ramp[None] + math.cos(angle) * ramp[:, None] - inset)
    distance = beyond * (size_px / 2)
    shadow = 1 - rng.uniform(0, 0.6) * np.exp(-np.abs(distance) / rng.uniform(3, 25))
    lip = rng.uniform(-0.5, 0.8) * np.exp(-((distance / rng.uniform(1, 3)) ** 2))
    share = np.clip(distance + 0.5, 0, 1)[..., None]
    wall = wall * np.float32(rng.uniform(0.3, 1.1))
    return np.asarray((tray + share * (wall - tray)) * (shadow + lip)[..., None], np.float32)


def _add_crumbs(tray: Plane, rng: np.random.Generator) -> None:
    """Small irregular bits, each with a little shadow, drawn into the tray."""
    size_px = len(tray)
    colour = 255 * paint(rng, 0.05, 0.8, 0.3)
    for _ in range(int(rng.integers(2, 25))):
        centre = rng.uniform(0, size_px, 2)
        radius = rng.uniform(0.6, 3.5) * size_px / 224
        corners = cv2.convexHull((centre + rng.normal(0, radius, (7, 2))).astype(np.float32))[:, 0]
        bit = (255 * paint(rng, 0.05, 0.9, 0.3)) if rng.random() < 0.1 else colour * rng.uniform(0.7, 1.2)
        cv2.fillPoly(tray, [np.rint(16 * (corners + 0.8)).astype(np.int32)], (0.25 * bit).tolist(), cv2.LINE_AA, 4)
        cv2.fillPoly(tray, [np.rint(16 * corners).astype(np.int32)], bit.tolist(), cv2.LINE_AA, 4)


def _add_stain(tray: Plane, rng: np.random.Generator) -> None:
    """A soft dark or coloured patch."""
    size_px = len(tray)
    small = np.zeros((56, 56), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        centre, radius = rng.integers(0, 56, 2), int(rng.integers(2, 12))
        cv2.circle(small, (int(centre[0]), int(centre[1])), radius, 1.0, -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.8, 4))
    share = rng.uniform(0.1, 0.6) * cv2.resize(soft, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    tray *= 1 - share[..., None] * (1 - paint(rng, 0.3, 1.0, 0.5))


def _add_droplets(tray: Plane, rng: np.random.Generator) -> None:
    """Drops of water: a darker disc with a bright spot towards the lamp."""
    size_px = len(tray)
    angle = rng.uniform(0, 2 * math.pi)
    towards = np.array([math.cos(angle), math.sin(angle)])
    for _ in range(int(rng.integers(3, 30))):
        centre = rng.uniform(0, size_px, 2)
        radius = rng.uniform(1, 5) * size_px / 224
        x, y = int(centre[0]), int(centre[1])
        around = tray[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean(axis=(0, 1))
        cv2.circle(tray, (x, y), max(1, round(radius)), (0.7 * around).tolist(), -1, cv2.LINE_AA)
        spot = np.rint(centre + 0.5 * radius * towards).astype(int)
        cv2.circle(tray, (int(spot[0]), int(spot[1])), max(1, round(radius / 4)), (250, 250, 250), -1, cv2.LINE_AA)
