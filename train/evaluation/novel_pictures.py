"""Pictures of what is not waste, made by the project itself and the same every time: what a bin should not sort.

Frames of the project's own footage without an item, and drawings. A printed page is not among them: it is paper.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.domain import RgbImage
from edge.errors import UnreadablePicture

FOOTAGE = Path(__file__).parents[2] / "edge" / "sim" / "footage"
HEIGHT_PX, WIDTH_PX = 384, 512
DRAWN = 24
"""Pictures of each drawn kind."""


def novel_pictures() -> dict[str, list[RgbImage]]:
    """Kind → pictures (384, 512, 3) uint8 RGB.

    Raises:
        UnreadablePicture: the footage is not where the project keeps it, or cannot be decoded.
    """
    drawn: dict[str, Callable[[np.random.Generator], RgbImage]] = {
        "hand": hand,
        "plain board": board,
        "stripes": stripes,
        "noise": noise,
    }
    first, *others = np.random.default_rng(0).spawn(1 + len(drawn))
    filmed = {kind: [otherwise_seen(rgb, first) for rgb in frames] for kind, frames in footage_frames(FOOTAGE).items()}
    return filmed | {
        kind: [draw(rng) for _ in range(DRAWN)] for (kind, draw), rng in zip(drawn.items(), others, strict=True)
    }


def footage_frames(folder: Path) -> dict[str, list[RgbImage]]:
    """The empty tray before, and the open flap after, each item of the footage.

    Raises:
        UnreadablePicture: the clip or its chapters are missing, or a frame cannot be decoded.
    """
    chapters, clip = folder / "chapters.json", folder / "tray.mp4"
    try:
        items = json.loads(chapters.read_text(encoding="utf-8"))["items"]
    except (OSError, ValueError, KeyError) as error:
        raise UnreadablePicture(
            f"{chapters}: no chapters of the footage ({error}); check out the project anew"
        ) from None
    wanted = {item["appear"][0] - 1: "empty tray" for item in items}
    wanted |= {sum(item["taken"]) // 2: "open flap" for item in items}
    found: dict[str, list[RgbImage]] = {"empty tray": [], "open flap": []}
    for number, rgb in enumerate(_frames(clip)):
        if number in wanted:
            found[wanted[number]].append(rgb)
    if sum(map(len, found.values())) < len(wanted):
        raise UnreadablePicture(f"{clip}: missing or cut short; check out the project anew")
    return found


def _frames(clip: Path) -> Iterator[RgbImage]:
    """Nothing where the clip cannot be opened."""
    capture = cv2.VideoCapture(str(clip))
    try:
        while True:
            read, bgr = capture.read()
            if not read:
                return
            yield np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)
    finally:
        capture.release()


def otherwise_seen(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """A part of the frame (60 % or more of each side), turned or mirrored, in another light: frames of an empty tray
    are all alike otherwise."""
    share = rng.uniform(0.6, 1.0)
    height, width = round(share * HEIGHT_PX), round(share * WIDTH_PX)
    top, left = rng.integers(0, [HEIGHT_PX - height + 1, WIDTH_PX - width + 1])
    part = rgb[top : top + height, left : left + width][:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    full = cv2.resize(np.ascontiguousarray(part), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_LINEAR)
    light = rng.uniform(0.5, 1.2) * (1 + rng.normal(0, 0.05, 3))
    return _picture(full * light + rng.normal(0, 2, full.shape))


def board(rng: np.random.Generator) -> RgbImage:
    """A plain board of any colour, lit from one side, with the grain of a sensor."""
    colour = rng.uniform(40, 230) + rng.normal(0, 18, 3)  # mostly grey
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.35)
    y, x = np.mgrid[-1 : 1 : HEIGHT_PX * 1j, -1 : 1 : WIDTH_PX * 1j]
    light = 1 + strength * (x * np.cos(angle) + y * np.sin(angle)) - 0.1 * (x**2 + y**2)  # (H, W)
    grain = rng.normal(0, rng.uniform(1, 4), (HEIGHT_PX, WIDTH_PX, 1))
    return _picture(light[:, :, None] * colour + grain)


def stripes(rng: np.random.Generator) -> RgbImage:
    """A woven or printed pattern: two gratings in two colours."""
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    shares = []
    for _ in range(2):
        angle, period_px, phase = rng.uniform(0, np.pi), rng.uniform(12, 60), rng.uniform(0, 2 * np.pi)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period_px + phase)
        shares.append(0.5 + 0.5 * np.tanh(4 * wave))
    share = (shares[0] + shares[1] * rng.uniform(0, 1)) / 2  # (H, W)
    one, other = rng.uniform(20, 235, (2, 3))
    return _picture(share[:, :, None] * one + (1 - share[:, :, None]) * other)


def noise(rng: np.random.Generator) -> RgbImage:
    """Coloured noise, from fine to blotchy: a camera without a signal."""
    grain_px = int(rng.choice([1, 4, 16, 48]))
    coarse = rng.integers(0, 256, (HEIGHT_PX // grain_px, WIDTH_PX // grain_px, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC), np.uint8)


FINGERS = (
    # where it leaves the palm (across, along), length, thickness, angle from the palm's axis: in palm widths, degrees
    (-0.40, 0.52, 0.74, 0.20, -11.0),
    (-0.13, 0.60, 0.92, 0.22, -3.0),
    (0.15, 0.58, 0.85, 0.215, 4.0),
    (0.40, 0.46, 0.66, 0.18, 13.0),
)
THUMB = (-0.46, -0.10, 0.74, 0.24, -48.0)


def hand(rng: np.random.Generator) -> RgbImage:
    """A hand that reaches over a board, with its arm from outside the picture and its shadow below it."""
    outline, creases = _hand_shape(rng)  # (H, W), (H, W) float, 0..1
    ground = board(rng).astype(np.float64)
    tone = np.array([[241, 204, 178], [224, 172, 138], [198, 134, 96], [141, 85, 54], [92, 56, 38]][rng.integers(5)])
    # Round: bright along the middle of the arm, the palm and each finger, darker towards the rim.
    depth = cv2.distanceTransform((outline > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    round_px = rng.uniform(14, 22)
    shade = 0.62 + 0.42 * np.sqrt(np.clip(depth / round_px, 0, 1)) - 0.30 * creases
    mottle = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT_PX, WIDTH_PX)), (0, 0), 12) * 12
    skin = tone * (cv2.GaussianBlur(shade, (0, 0), 2.5) + 0.02 * mottle)[:, :, None]
    skin[:, :, 0] += 6 * mottle
    dx, dy = rng.uniform(-22, 22, 2)
    moved = cv2.warpAffine(outline, np.array([[1, 0, dx], [0, 1, dy]]), (WIDTH_PX, HEIGHT_PX))
    shadow = 1 - 0.45 * cv2.GaussianBlur(moved, (0, 0), rng.uniform(6, 14))
    alpha = cv2.GaussianBlur(outline, (0, 0), 0.8)[:, :, None]
    return _picture(alpha * skin + (1 - alpha) * ground * shadow[:, :, None] + rng.normal(0, 2, ground.shape))


def _hand_shape(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outline and creases of a hand, (H, W) each, 0..1: palm and fingers in any pose, arm out of the picture."""
    palm_px = rng.uniform(105, 145)
    pointing, side = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    centre = np.array([WIDTH_PX / 2, HEIGHT_PX / 2]) + rng.uniform(-40, 40, 2)
    along = np.array([np.cos(pointing), np.sin(pointing)])
    across = side * np.array([-along[1], along[0]])
    spread, bend = rng.uniform(0.6, 1.7), rng.uniform(0.55, 1.0)

    def at(x: float, y: float) -> NDArray[np.float64]:
        """Picture coordinates of a place, in palm widths from the palm's middle."""
        return np.asarray(centre + palm_px * (x * across + y * along), np.float64)

    outline, creases = np.zeros((2, HEIGHT_PX, WIDTH_PX), np.uint8)
    palm = np.array([at(*p) for p in ((-0.5, 0.5), (-0.2, 0.62), (0.2, 0.6), (0.48, 0.46), (0.5, -0.1), (0.33, -0.62),
                                      (-0.33, -0.62), (-0.52, -0.15))])  # fmt: skip
    cv2.fillPoly(outline, [np.rint(palm).astype(np.int32)], 255, cv2.LINE_AA)
    _limb(outline, at(0, -0.4), at(0, -4), 0.66 * palm_px, 0.95 * palm_px)
    for x, y, length, thickness, degrees in (*FINGERS, THUMB):
        angle = np.deg2rad(spread * degrees)
        ahead = np.array([np.sin(angle), np.cos(angle)]) * length * bend * rng.uniform(0.92, 1.05)
        root, tip = at(x, y - 0.12), at(x + ahead[0], y + ahead[1])
        _limb(outline, root, tip, 1.12 * thickness * palm_px, 0.86 * thickness * palm_px)
        for share in (0.45, 0.74):  # the joints
            joint, half = root + share * (tip - root), 0.36 * thickness * palm_px
            normal = np.array([-(tip - root)[1], (tip - root)[0]]) / np.linalg.norm(tip - root)
            _line(creases, joint - half * normal, joint + half * normal, 2)
    webbed = cv2.GaussianBlur(outline, (0, 0), 4).astype(np.float64) / 255  # between the fingers
    smooth = np.clip((webbed - 0.42) / 0.16, 0, 1)
    return smooth, cv2.GaussianBlur(creases, (0, 0), 1.5).astype(np.float64) / 255


def _limb(
    canvas: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], thick: float, thin: float
) -> None:
    """A line with round ends, `thick` pixels wide at its start and `thin` at its end."""
    for share in np.linspace(0, 1, 60):
        x, y = np.rint(start + share * (end - start)).astype(int)
        cv2.circle(canvas, (int(x), int(y)), round((thick + share * (thin - thick)) / 2), 255, -1, cv2.LINE_AA)


def _line(canvas: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], width_px: int) -> None:
    (x0, y0), (x1, y1) = np.rint(start).astype(int).tolist(), np.rint(end).astype(int).tolist()
    cv2.line(canvas, (x0, y0), (x1, y1), 255, width_px, cv2.LINE_AA)


def _picture(values: NDArray[np.float64]) -> RgbImage:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
