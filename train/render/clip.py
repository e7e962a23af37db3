"""From the catalogue to the pictures on disk: one Blender process, item after item, resumable.

Cycles renders every item once, at rest, and the empty bin with its flap at each stop; `compose` moves them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import bpy
import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from train.render import motion, scene
from train.render.geometry import project
from train.render.items import Item

SIZE_PX = (512, 384)
SAMPLES = 24
PATCH_MARGIN_PX = 60  # around an item: beyond it, neither its shadow nor its reflection shows on the plate
FEATHER_PX = 20


class Stage:
    """The tray with at most one item on it, ready to be rendered."""

    def __init__(self, item: Item | None, size_px: tuple[int, int] = SIZE_PX) -> None:
        scene.reset()
        self.pivot = scene.build_tray()
        self.parts = item.build() if item else []
        self.size_px = size_px
        bpy.context.view_layer.update()

    def render(
        self, path: Path, samples: int, flap_deg: float = 0.0, region: tuple[int, int, int, int] | None = None
    ) -> None:
        """One picture with the flap at an angle; of the whole view, or of a region in pixels."""
        self.pivot.rotation_euler = (math.radians(flap_deg), 0, 0)
        scene.set_up_render(self.size_px, samples)
        scene.render(path, region)

    def box(self) -> list[int]:
        """The item's box as the camera sees it: [x0, y0, x1, y1] in pixels, clipped to the picture."""
        pixels = project(np.concatenate([points for points, _ in self._meshes()]), self.size_px)
        low, high = np.floor(pixels.min(0)), np.ceil(pixels.max(0))
        return [int(v) for v in (*np.maximum(low, 0), *np.minimum(high, self.size_px))]

    def mask(self) -> NDArray[np.uint8]:
        """The item's outline, (H, W) uint8, 255 inside: its faces drawn flat, at four times the size, then shrunk."""
        width, height = self.size_px
        large = np.zeros((height * 4, width * 4), np.uint8)
        for points, faces in self._meshes():
            pixels = np.rint(project(points, self.size_px) * 4).astype(np.int32)
            for face in faces:
                cv2.fillConvexPoly(large, pixels[face], 255)
        return np.asarray(cv2.resize(large, self.size_px, interpolation=cv2.INTER_AREA), np.uint8)

    def _meshes(self) -> Iterator[tuple[NDArray[np.float64], list[list[int]]]]:
        """World vertices and faces of each part and of its children."""
        for part in [*self.parts, *(child for parent in self.parts for child in parent.children)]:
            turn = np.array(part.matrix_world)
            flat = np.zeros(len(part.data.vertices) * 3, np.float32)
            part.data.vertices.foreach_get("co", flat)
            points = flat.reshape(-1, 3).astype(np.float64) @ turn[:3, :3].T + turn[:3, 3]
            yield points, [list(face.vertices) for face in part.data.polygons]


def render_missing(items: tuple[Item, ...], work: Path, samples: int = SAMPLES) -> dict[str, list[int]]:
    """Render what is not on disk yet; returns each item's box by slug (kept in boxes.json beside the pictures)."""
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "boxes.json"
    boxes: dict[str, list[int]] = json.loads(kept.read_text()) if kept.exists() else {}
    progress = tqdm(total=len(motion.FLAP_DEG) + len(items), unit="picture")
    flaps = [(angle, work / f"flap_{i}.png") for i, angle in enumerate(motion.FLAP_DEG)]
    stage = Stage(None) if not all(path.exists() for _, path in flaps) else None
    for angle, path in flaps:
        progress.set_description(f"flap at {angle:g} degrees")
        if stage and not path.exists():
            stage.render(path, samples, angle)
        progress.update()
    for item in items:
        progress.set_description(item.name)
        if item.slug not in boxes or not (work / f"{item.slug}_still.png").exists():
            boxes[item.slug] = _render_item(item, work, samples)
            kept.write_text(json.dumps(boxes, indent=1))
        progress.update()
    progress.close()
    return boxes


def _render_item(item: Item, work: Path, samples: int) -> list[int]:
    """An item at rest: its mask, and its surroundings rendered and set into the picture of the empty tray."""
    stage = Stage(item)
    box = stage.box()
    cv2.imwrite(str(work / f"{item.slug}_mask.png"), stage.mask())
    width, height = SIZE_PX
    m = PATCH_MARGIN_PX
    region = (max(0, box[0] - m), max(0, box[1] - m), min(width, box[2] + m), min(height, box[3] + m))
    patch = work / f"{item.slug}_patch.png"
    stage.render(patch, samples, 0.0, region)
    still = _set_in(cv2.imread(str(work / "flap_0.png")), cv2.imread(str(patch)), region)
    cv2.imwrite(str(work / f"{item.slug}_still.png"), still)
    return box


def _set_in(
    picture: NDArray[np.uint8], patch: NDArray[np.uint8], region: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """`picture` with `patch` over a region, its edge feathered so that no seam shows."""
    x0, y0, x1, y1 = region
    inside = np.zeros(picture.shape[:2], np.float32)
    inside[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] = 1
    distance = cv2.distanceTransform((inside > 0).astype(np.uint8), cv2.DIST_L2, 3)
    weight = np.clip(distance / FEATHER_PX, 0, 1)[..., None]
    full = picture.astype(np.float32)
    full[y0:y1, x0:x1] = cv2.resize(patch, (x1 - x0, y1 - y0))
    return np.rint(full * weight + picture * (1 - weight)).astype(np.uint8)


def render_still(item: Item | None, path: Path, size_px: tuple[int, int], samples: int) -> list[int]:
    """One picture of one item at rest; returns its box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stage = Stage(item, size_px)
    stage.render(path, samples)
    return stage.box() if item else [0, 0, 0, 0]
