"""What the empty tray looks like, and how another look at it compares: how sharp it is, by how much it has moved."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera.view_file import Arrays
from edge.domain import Box, RgbImage

Plane = NDArray[np.float32]
"""(H, W) float32, grey levels."""

LEARN_FRAMES, TRIAL_FRAMES = 10, 5
TILE_PX = 16
TILES_ACROSS = 10
FINEST = 4  # the fine copy has up to so many times the pixels of the coarse one, a side: sharpness shows there
TELLING_MATCH = 0.8  # a tile must be as like itself in every trial frame to have a say
TELLING_SIGNAL = 4.0  # and hold so many times the noise's power to have one in sharpness
MIN_TELLING = 6  # tiles; with fewer the tray is too plain to judge by
IN_PLACE = 0.7  # correlation of a tile that shows what was learnt
ROUGHLY_IN_PLACE = 0.4  # the same through a bad lens
MOSTLY, CERTAIN, FOUND = 0.9, 2 / 3, 1 / 3
"""Shares of the telling tiles. So many in place: nothing moved. So many found nearby: no need to look further away; and
with fewer than the last, the tray was not found.
"""
MAY_BE = 0.5  # a correlation above it is a vote for a place
SLIDE = 0.005  # what a pixel further away costs in correlation
MOTION_STEPS, MOTION_EASE = 12, 0.05  # of the fit; what holds it where no tile tells
REACH_PX = 8  # how far around the common shift a tile is looked for: a turned or nearer view shifts tiles unequally


class Look(NamedTuple):
    """luma, coarse: (16 r, 16 c) float32. fine: a whole multiple of that size. r by c are the tiles."""

    luma: Plane
    coarse: Plane  # luma without what is larger or smaller than some pixels
    fine: Plane  # second derivative of the fine copy

    @classmethod
    def at(cls, rgb: RgbImage) -> Look:
        height, width = rgb.shape[:2]
        across, down = TILE_PX * TILES_ACROSS, TILE_PX * max(1, round(TILES_ACROSS * height / width))
        times = min(FINEST, max(1, width // across))
        while rgb.shape[1] >= 2 * times * across and rgb.shape[0] >= 2 * times * down:
            rgb = np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (times * across, times * down))
        luma = cv2.resize(grey, (across, down), interpolation=cv2.INTER_AREA).astype(np.float32)
        coarse = cv2.GaussianBlur(luma, (0, 0), 1.0) - cv2.GaussianBlur(luma, (0, 0), 4.0)
        return cls(luma, np.asarray(coarse, np.float32), np.asarray(cv2.Laplacian(grey, cv2.CV_32F), np.float32))

    def left_in(self, later: Look) -> float:
        """How much of its coarse structure is still in place in a later look, share of the picture; 0 without any."""
        return float(np.mean(_matches(self, later) >= IN_PLACE))


class Lesson:
    """Looks at the empty tray, given one by one, make a View. None is kept: 15 of them would be some 20 MB."""

    def __init__(self) -> None:
        self._mean: Look | None = None
        self._frames = self._trials = 0
        self._least_match: NDArray[np.float32] = np.ones((1, 1), np.float32)
        self._noise: NDArray[np.float32] = np.zeros((1, 1), np.float32)

    def add(self, look: Look) -> View | None:
        """The view, once the last look that it takes is there.

        The first are averaged, the others are trials: noise correlates with itself, and would seem to tell.
        """
        if self._mean is None:
            self._mean, self._frames = Look(*(plane.copy() for plane in look)), 1
        elif self._frames < LEARN_FRAMES:
            self._frames += 1
            for mean, plane in zip(self._mean, look, strict=True):
                cv2.accumulateWeighted(plane, mean, 1 / self._frames)
        else:
            self._trials += 1
            self._least_match = np.minimum(self._least_match, _matches(self._mean, look))
            self._noise = self._noise + _sums((look.fine - self._mean.fine) ** 2) / np.float32(TRIAL_FRAMES)
            if self._trials == TRIAL_FRAMES:
                return View(self._mean, self._least_match >= TELLING_MATCH, self._noise)
        return None


class View:
    """The empty tray as it looked when it was good. Tiles are (r, c) arrays."""

    def __init__(self, look: Look, telling: NDArray[np.bool_], noise: NDArray[np.float32]) -> None:
        self._look = look
        self._telling, self._noise = telling, noise
        self._fine = telling & (_sums(look.fine**2) >= TELLING_SIGNAL * noise)

    @classmethod
    def of(cls, arrays: Arrays) -> View:
        """What `arrays` gave."""
        look = Look(*(np.asarray(arrays[name], np.float32) for name in Look._fields))
        return cls(look, np.asarray(arrays["telling"], np.bool_), np.asarray(arrays["noise"], np.float32))

    def arrays(self) -> Arrays:
        """All of it, as it is kept: half the precision is ten times what pictures have."""
        planes = {name: plane.astype(np.float16) for name, plane in self._look._asdict().items()}
        return {**planes, "telling": self._telling, "noise": self._noise}

    def adapt(self, look: Look, share: float) -> None:
        """Follow slow changes, by this share of the difference."""
        for learnt, now in zip(self._look, look, strict=True):
            cv2.accumulateWeighted(now, learnt, share)

    def sharpness(self, look: Look) -> float:
        """Fine structure as a share of what was learnt, from the tiles that show roughly what they did; 1 with too few.

        The best quarter of the tiles speaks: an item or its shadow hides the structure of some.
        """
        tiles = self._fine & (_matches(self._look, look) >= ROUGHLY_IN_PLACE)
        if np.count_nonzero(tiles) < max(MIN_TELLING, np.count_nonzero(self._fine) / 4):
            return 1.0
        light = np.median(_sums(look.luma)[tiles] / np.maximum(_sums(self._look.luma)[tiles], 1.0))
        left = np.maximum(_sums(look.fine**2) - self._noise, 0.0)[tiles] / _sums(self._look.fine**2)[tiles]
        return float(np.sqrt(np.percentile(left, 75)) / max(float(light), 0.05))

    def shift(self, look: Look) -> float | None:
        """By how much the view has moved, as a share of its width; None when nothing of it is found.

        A turn or another distance shifts the tiles unequally; those shifted most have a say, a quarter left aside.
        """
        telling = np.argwhere(self._telling)
        in_place = np.mean(_matches(self._look, look)[self._telling] >= IN_PLACE) if len(telling) else 1.0
        if len(telling) < MIN_TELLING or in_place >= MOSTLY:
            return 0.0
        guess = (0, 0)
        found = self._found(look, guess)
        if len(found) < CERTAIN * len(telling):
            # A straight edge moved along itself seems to be in place; a turned view has no common shift.
            guess = self._common_shift(look)
            found = max(found, self._found(look, guess), key=len)
        if len(found) < max(MIN_TELLING, FOUND * len(telling)):
            return None
        moved = self._motion([tile for tile, _ in found], [place for _, place in found], guess)
        return float(np.percentile(np.hypot(*moved.T), 75)) / float(look.coarse.shape[1])

    def _motion(
        self, tiles: list[tuple[int, int]], places: list[tuple[int, int]], guess: tuple[int, int]
    ) -> NDArray[np.float64]:
        """How far each found tile was shifted, (N, 2) right and down in pixels, by the one shift, turn and change of
        distance that most of them agree on: an item's edges draw tiles that they come near to elsewhere.

        Least squares, reweighted (Cauchy). A tile speaks for the directions in which it has structure, since a straight
        edge moved along itself looks the same: the aperture problem.
        """
        found = np.array(places, np.float64)
        down, across = (np.array(tiles, np.float64) * TILE_PX + (TILE_PX - 1) / 2).T
        height, width = self._look.coarse.shape
        x, y = (across - width / 2) / TILE_PX, (down - height / 2) / TILE_PX
        ones, none = np.ones_like(x), np.zeros_like(x)
        per_motion = np.stack([np.stack([ones, none, x, -y], 1), np.stack([none, ones, y, x], 1)], 1)  # (N, 2, 4)
        structure = np.array([self._structure(row, column) for row, column in tiles])  # (N, 2, 2)
        fits = []
        for start in ((0.0, 0.0), guess):
            motion = np.array([*start, 0.0, 0.0])
            for _ in range(MOTION_STEPS):
                weight = 1 / (1 + self._off(per_motion @ motion - found, structure))
                pull = np.einsum("n,nki,nkl->il", weight, per_motion, structure @ per_motion) + MOTION_EASE * np.eye(4)
                wanted = np.einsum("n,nki,nkl,nl->i", weight, per_motion, structure, found)
                motion = np.linalg.solve(pull, wanted)
            moved = per_motion @ motion
            fits.append((float(np.log1p(self._off(moved - found, structure)).sum()), moved))
        return np.asarray(min(fits, key=lambda fit: fit[0])[1])

    def _structure(self, row: int, column: int) -> NDArray[np.float64]:
        """The structure tensor of a learnt tile, (2, 2), its trace 1 (Förstner and Gülch, 1987)."""
        tile = self._look.coarse[row * TILE_PX : (row + 1) * TILE_PX, column * TILE_PX : (column + 1) * TILE_PX]
        down, across = np.gradient(tile.astype(np.float64))
        slopes = np.stack([across.ravel(), down.ravel()])
        tensor = slopes @ slopes.T
        return np.asarray(tensor / max(float(np.trace(tensor)), 1e-9))

    @staticmethod
    def _off(apart: NDArray[np.float64], structure: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) pixels → (N,) squared, as far as each tile can tell."""
        return np.asarray(np.einsum("nk,nkl,nl->n", apart, structure, apart))

    def _found(self, look: Look, guess: tuple[int, int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The telling tiles that are found within reach of the guess, and how far they lie from their places."""
        tiles = [(int(row), int(column)) for row, column in np.argwhere(self._telling)]
        places = [(tile, self._find(look, tile, guess)) for tile in tiles]
        return [(tile, place) for tile, place in places if place is not None]

    def _common_shift(self, look: Look) -> tuple[int, int]:
        """How far most tiles lie from their places, right and down in pixels, to within some: a generalised Hough
        transform (Ballard, 1981). Every tile votes for where it may be, so that an item has no more say than its size.
        """
        learnt, now = (
            cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            for plane in (self._look.coarse, look.coarse)
        )
        height, width = now.shape
        votes = np.zeros((2 * height, 2 * width), np.float32)  # no shift: in the middle
        for y, x in np.argwhere(self._telling) * (TILE_PX // 2):
            match = cv2.matchTemplate(now, learnt[y : y + TILE_PX // 2, x : x + TILE_PX // 2], cv2.TM_CCOEFF_NORMED)
            down, across = height - y, width - x
            votes[down : down + match.shape[0], across : across + match.shape[1]] += np.maximum(match - MAY_BE, 0)
        most = np.unravel_index(int(np.argmax(cv2.GaussianBlur(votes, (0, 0), 1.0))), votes.shape)
        return 2 * (int(most[1]) - width), 2 * (int(most[0]) - height)

    def _find(self, look: Look, tile: tuple[int, int], guess: tuple[int, int]) -> tuple[int, int] | None:
        """How far from its place one tile lies, right and down in pixels, within reach of the guess."""
        y, x = (at * TILE_PX for at in tile)
        pattern = self._look.coarse[y : y + TILE_PX, x : x + TILE_PX]
        left, top = max(0, x + guess[0] - REACH_PX), max(0, y + guess[1] - REACH_PX)
        right, bottom = x + guess[0] + TILE_PX + REACH_PX, y + guess[1] + TILE_PX + REACH_PX
        area = look.coarse[top : max(0, bottom), left : max(0, right)]
        if min(area.shape) < TILE_PX:
            return None  # out of the picture
        match = cv2.matchTemplate(area, pattern, cv2.TM_CCOEFF_NORMED)
        down, across = np.indices(match.shape) + np.array([top - y, left - x]).reshape(2, 1, 1)
        # A straight edge looks the same all along itself: the nearest place counts.
        likely = match - SLIDE * np.hypot(across - guess[0], down - guess[1])
        best = np.unravel_index(int(np.argmax(likely)), match.shape)
        return (int(across[best]), int(down[best])) if match[best] >= IN_PLACE else None


def _matches(learnt: Look, look: Look) -> NDArray[np.float32]:
    """Correlation of each tile's coarse structure with the learnt, -1..1."""
    # + 1 grey level: a tile without structure is like nothing.
    energy = np.sqrt(_sums(learnt.coarse**2) * _sums(look.coarse**2)) + TILE_PX * TILE_PX
    return np.asarray(_sums(learnt.coarse * look.coarse) / energy)


def _sums(plane: Plane) -> NDArray[np.float32]:
    """(H, W) → (r, c), the sum over each tile."""
    across = TILES_ACROSS
    down = max(1, round(plane.shape[0] / (plane.shape[1] / across)))
    return np.asarray(plane.reshape(down, plane.shape[0] // down, across, -1).sum(axis=(1, 3)))


def cut_region(rgb: RgbImage, region: tuple[float, float, float, float], margin: float = 0.0) -> RgbImage:
    """(H, W, 3) → a part of it, a view. region: shares of width and height. margin: share of its longer side."""
    return region_box(rgb, region).grown(margin, rgb.shape[:2]).cut(rgb)


def region_box(rgb: RgbImage, region: tuple[float, float, float, float]) -> Box:
    """The region, in the picture's pixels."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = region
    return Box(round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
