"""The frames in order, as an H.264 clip, and the chapters that say what happens when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from train.render import compose, motion
from train.render.items import Item

FPS = 15
CRF = 18  # x264 quality: visually clean at this size
Picture = NDArray[np.uint8]


def _read(path: Path) -> Picture:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def _chapter(item: Item, from_right: bool, flaps: list[Picture], work: Path) -> dict[str, list[Picture]]:
    """An item's frames (BGR) by part of its chapter."""
    still = _read(work / f"{item.slug}_still.png")
    mask = cv2.imread(str(work / f"{item.slug}_mask.png"), cv2.IMREAD_GRAYSCALE)
    cutout = compose.Cutout.of(still, flaps[0], np.asarray(mask, np.uint8))
    return {
        "appear": compose.appear(flaps[0], cutout, from_right),
        "still": [still] * motion.STILL_FRAMES,
        "taken": compose.taken(flaps, cutout),
    }


def assemble(items: tuple[Item, ...], boxes: dict[str, list[int]], work: Path) -> tuple[list[Picture], dict[str, Any]]:
    """All frames (BGR) and chapters.json: frame ranges zero-based and inclusive, boxes [x0, y0, x1, y1] in pixels."""
    flaps = [_read(work / f"flap_{i}.png") for i in range(len(motion.FLAP_DEG))]
    frames = [flaps[0]] * motion.EMPTY_FRAMES
    entries = []
    for index, item in enumerate(tqdm(items, desc="composing", unit="item")):
        entry: dict[str, Any] = {"name": item.name, "label": item.label}
        for part, pictures in _chapter(item, index % 2 == 0, flaps, work).items():
            entry[part] = [len(frames), len(frames) + len(pictures) - 1]
            frames += pictures
        entries.append({**entry, "box": boxes[item.slug]})
    size_px = [flaps[0].shape[1], flaps[0].shape[0]]
    head = {"schema": 1, "fps": FPS, "size": size_px, "empty": [0, motion.EMPTY_FRAMES - 1]}
    return frames, {**head, "items": entries}


def write(items: tuple[Item, ...], boxes: dict[str, list[int]], work: Path, out: Path) -> None:
    """tray.mp4 and chapters.json."""
    out.mkdir(parents=True, exist_ok=True)
    frames, chapters = assemble(items, boxes, work)
    _encode(frames, out / "tray.mp4")
    rows = ",\n  ".join(json.dumps(entry) for entry in chapters.pop("items"))
    head = json.dumps(chapters)[:-1]
    (out / "chapters.json").write_text(f'{head}, "items": [\n  {rows}\n]}}\n')


def _encode(frames: list[Picture], path: Path) -> None:
    """H.264, a key frame each second and no B-frames: reading on and seeking give the same pictures."""
    height, width = frames[0].shape[:2]
    options = (
        f"-crf {CRF} -preset veryslow -threads 1 -g {FPS} -bf 0 -movflags +faststart "
        "-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m "
        # swscale rounds sloppily unless told: three grey levels too dark in blue
        "-sws_flags accurate_rnd+full_chroma_int+bicubic"
    )
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=FPS,
        codec="libx264",
        pix_fmt_in="bgr24",
        pix_fmt_out="yuv420p",
        macro_block_size=1,
        quality=None,
        ffmpeg_log_level="error",
        output_params=options.split(),
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame).tobytes())
    writer.close()
