"""Moving frames, made from the rendered pictures: the item is cut out along its mask and moved with the flap.

Nineteen renders make the whole clip this way; rendering every frame would take some 180. The cut-out moves as a
flat picture would, by a homography from the bin's true geometry, and is averaged over the time the shutter is open.
What that costs: an item does not turn its other side to the camera as it falls, and glass carries along the piece of
plate that is seen through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from train.render import motion
from train.render.geometry import FRAME_TOP, GAP, LAMP_AT, PLATE, project, swung, unproject

SHUTTER_FRAMES = 0.5  # how long the shutter is open, in frames
SUBFRAMES = 9
ITEM_MIDDLE = 0.25  # height of the flat picture's level above the flap

Picture = NDArray[np.uint8]
Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cutout:
    """An item at rest and what it takes to move it: float32 in 0…1, `cover` (H, W), the others (H, W, 3) BGR."""

    colour: Float
    cover: Float
    shadow: Float

    @classmethod
    def of(cls, still: Picture, empty: Picture, mask: Picture) -> Cutout:
        """Cut the item out of its still; its shadow is what the plate around it has lost in light."""
        cover = cv2.GaussianBlur(mask, (0, 0), 0.6).astype(np.float32) / 255
        ratio = still.astype(np.float32) / np.maximum(empty.astype(np.float32), 8)
        # under the item the shadow is unknown: spread it inwards from the surroundings
        known = (cover < 0.02).astype(np.float32)[..., None]
        weight = np.maximum(cv2.GaussianBlur(known, (0, 0), 12), 1e-3)[..., None]
        spread = cv2.GaussianBlur(ratio * known, (0, 0), 12) / weight
        shadow = np.where(known > 0, ratio, np.minimum(spread, 0.75))
        return cls(still.astype(np.float32) / 255, cover, np.clip(shadow, 0.3, 1.0).astype(np.float32))


def _homography(pose: motion.Pose, pivot: NDArray[np.float64], size_px: tuple[int, int]) -> NDArray[np.float64]:
    """Pixels of the item at rest → pixels of the item in `pose`; it turns about `pivot` (x, y)."""
    width, height = size_px
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    world = unproject(corners, ITEM_MIDDLE, size_px)
    turn = np.radians(pose.turn_deg)
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    world[:, :2] = (world[:, :2] - pivot) @ spin + pivot
    there = project(swung(world + pose.shift, pose.flap_deg), size_px)
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), there.astype(np.float32)))


def _opening(size_px: tuple[int, int]) -> Float:
    """Where one can look down past the frame: 1 inside the opening, 0 on the frame."""
    half = np.array(PLATE) / 2 + GAP
    corners = np.array([(-half[0], half[1], FRAME_TOP), (half[0], -half[1], FRAME_TOP)])
    (x0, y0), (x1, y1) = np.rint(project(corners, size_px)).astype(int)
    seen = np.zeros((size_px[1], size_px[0]), np.float32)
    seen[y0:y1, x0:x1] = 1
    return seen


def _middle(cutout: Cutout, size_px: tuple[int, int]) -> NDArray[np.float64]:
    rows, columns = np.nonzero(cutout.cover > 0.5)
    centre = np.array([[columns.mean(), rows.mean()]])
    return unproject(centre, ITEM_MIDDLE, size_px)[0, :2]


def appear(empty: Picture, cutout: Cutout, from_right: bool) -> list[Picture]:
    """The item flies in from one side and comes to rest; the last frame is all but the still."""
    size_px = (empty.shape[1], empty.shape[0])
    pivot = _middle(cutout, size_px)
    frames = []
    for index in range(motion.APPEAR_FRAMES):
        total = np.zeros(empty.shape, np.float32)
        for sub in range(SUBFRAMES):
            t = (index + 1 - SHUTTER_FRAMES * sub / SUBFRAMES) / (motion.APPEAR_FRAMES + 1)
            total += _flying(empty, cutout, motion.appearing(t, from_right), pivot, size_px)
        frames.append(_picture(total / SUBFRAMES))
    return frames


def _flying(
    empty: Picture, cutout: Cutout, pose: motion.Pose, pivot: NDArray[np.float64], size_px: tuple[int, int]
) -> Float:
    height = pose.shift[2]
    move = _homography(pose, pivot, size_px)
    # on the plate below lies a shadow that runs away from the lamp, softer and paler the higher the item
    away = np.array(LAMP_AT[:2]) / LAMP_AT[2] * -height
    below = motion.Pose(0.0, (pose.shift[0] + away[0], pose.shift[1] + away[1], 0.0), pose.turn_deg)
    fallen = cv2.warpPerspective(1 - cutout.shadow, _homography(below, pivot, size_px), size_px)
    if height > 0.02:
        fallen = cv2.GaussianBlur(fallen, (0, 0), 1 + 14 * height) * (1 / (1 + 0.5 * height))
    light = 1 - fallen
    cover = cv2.warpPerspective(cutout.cover, move, size_px)[..., None]
    colour = cv2.warpPerspective(cutout.colour, move, size_px, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(empty / 255 * light * (1 - cover) + colour * cover, np.float32)


def taken(flaps: list[Picture], cutout: Cutout) -> list[Picture]:
    """The flap opens, the item slides off it and falls, the flap closes; ends on the empty tray."""
    size_px = (flaps[0].shape[1], flaps[0].shape[0])
    pivot, seen = _middle(cutout, size_px), _opening(size_px)
    frames = []
    for step, stop in enumerate(motion.OPENING):
        total = np.zeros(flaps[0].shape, np.float32)
        for sub in range(SUBFRAMES):
            pose = motion.leaving(step - SHUTTER_FRAMES * sub / SUBFRAMES)
            total += _sliding(flaps[stop], cutout, pose, pivot, seen, size_px)
        frames.append(_picture(total / SUBFRAMES))
    return frames + [flaps[stop] for stop in motion.CLOSING]


def _sliding(
    flap: Picture,
    cutout: Cutout,
    pose: motion.Pose,
    pivot: NDArray[np.float64],
    seen: Float,
    size_px: tuple[int, int],
) -> Float:
    move = _homography(pose, pivot, size_px)
    middle = np.array([[*pivot, ITEM_MIDDLE]]) + pose.shift
    depth = max(0.0, -float(swung(middle, pose.flap_deg)[0, 2]))
    light = 1 / (1 + (max(0.0, depth - 0.9) / 0.9) ** 2)  # it gets dark in the chute
    cover = (cv2.warpPerspective(cutout.cover, move, size_px) * seen)[..., None]
    colour = cv2.warpPerspective(cutout.colour, move, size_px, borderMode=cv2.BORDER_REPLICATE) * light
    on_flap = float(np.clip(1 - depth / 1.2, 0, 1))
    fallen = cv2.warpPerspective(1 - cutout.shadow, move, size_px) * seen[..., None] * on_flap
    return np.asarray(flap / 255 * (1 - fallen) * (1 - cover) + colour * cover, np.float32)


def _picture(values: Float) -> Picture:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
