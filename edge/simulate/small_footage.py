"""The footage that ships, small and short: for soaks, in which an item must cost little."""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from edge.sim.clip import FOOTAGE, Clip, Span, read_chapters

SHRINK = 4
EMPTY_FRAMES, STILL_FRAMES = 3, 3


def make_small_footage(folder: Path) -> None:
    """Write tray.mp4 and chapters.json: every item there at once, gone at once, a quarter as wide and high."""
    chapters = read_chapters(FOOTAGE / "chapters.json")
    clip = Clip(FOOTAGE / "tray.mp4", chapters)
    size = (chapters.size[0] // SHRINK, chapters.size[1] // SHRINK)
    writer = cv2.VideoWriter(str(folder / "tray.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), chapters.fps, size)
    written = 0

    def write(span: Span, frames: int) -> Span:
        nonlocal written
        first = written
        for number in range(frames):
            small = cv2.resize(clip.picture(min(span[0] + number, span[1])), size, interpolation=cv2.INTER_AREA)
            writer.write(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        written += frames
        return first, written - 1

    try:
        empty, items = write(chapters.empty, EMPTY_FRAMES), []
        for item in chapters.items:
            small_item = {"name": item.name, "label": item.label, "box": [edge // SHRINK for edge in item.box]}
            still = write(item.still, STILL_FRAMES)
            items.append(small_item | {"appear": still, "still": still, "taken": write(chapters.empty, 1)})
    finally:
        writer.release()
        clip.close()
    document = {"schema": 1, "fps": chapters.fps, "size": size, "empty": empty, "items": items}
    (folder / "chapters.json").write_text(json.dumps(document), encoding="utf-8")
