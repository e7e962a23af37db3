"""The footage that ships: a clip of items on a tray, and chapters that say which frames show what.

tray.mp4        the frames, one after another
chapters.json   {"schema": 1, "fps": 15, "size": [512, 384], "empty": [first, last],
                 "items": [{"name", "label", "appear": [first, last], "still": [...], "taken": [...],
                            "box": [x0, y0, x1, y1]}, ...]}     frame numbers from 0, last included
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.bundle.preprocess import decode
from edge.domain import RgbImage
from edge.errors import CameraError

FOOTAGE = Path(__file__).parent / "footage"
JPEG_QUALITY = 95
DAMAGED = "the footage is damaged, install the package again"
MISSING = "the footage is missing, install the package again"

Span = tuple[int, int]
"""First and last frame."""


class Item(BaseModel):
    """One item's frames. box: where it lies while it is still, pixels; for tests, the simulated camera ignores it."""

    model_config = ConfigDict(frozen=True)

    name: str
    label: str
    appear: Span
    still: Span
    taken: Span
    box: tuple[int, int, int, int]


class Chapters(BaseModel):
    """What the clip's frames show. size: width and height, pixels."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = Field(alias="schema")
    fps: float = Field(gt=0, le=240)
    size: tuple[int, int]
    empty: Span
    items: tuple[Item, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _spans_run_forward(self) -> Chapters:
        for name, (first, last) in self.spans():
            if not 0 <= first <= last:
                raise ValueError(f"{name}: frames {first} to {last}, expected 0 ≤ first ≤ last")
        return self

    def spans(self) -> list[tuple[str, Span]]:
        """Every span with a name for errors."""
        named = [("empty", self.empty)]
        for item in self.items:
            named += [(f"{item.name}.appear", item.appear), (f"{item.name}.still", item.still)]
            named += [(f"{item.name}.taken", item.taken)]
        return named


def read_chapters(path: Path) -> Chapters:
    """Read chapters.json.

    Raises:
        CameraError: missing, not JSON, or without what the clip's player needs.
    """
    try:
        return Chapters.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CameraError(f"{path}: {error.strerror}; {MISSING}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise CameraError(f"{path}: {where}: {first['msg']}; {DAMAGED}") from None


class Clip:
    """The clip's frames by number. Decoded as far as they are needed, and kept as JPEG: some 40 KB each, not 600."""

    def __init__(self, path: Path, chapters: Chapters) -> None:
        self._path = path
        self._chapters = chapters
        self._jpegs: list[bytes] = []
        if not path.is_file():
            raise CameraError(f"{path}: no such file; {MISSING}")
        self._video = cv2.VideoCapture(str(path))
        frames = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT)) if self._video.isOpened() else 0
        name, (_, last) = max(chapters.spans(), key=lambda span: span[1][1])
        if last >= frames:
            self.close()
            raise CameraError(
                f"{path}: {frames} readable frames, the chapters go up to frame {last} ({name}); {DAMAGED}"
            )

    def picture(self, number: int) -> RgbImage:
        """(H, W, 3) uint8 RGB, the frame of that number from 0."""
        while len(self._jpegs) <= number:
            self._decode_next()
        return decode(self._jpegs[number], name=f"frame {number} of {self._path}")

    def close(self) -> None:
        self._video.release()

    def _decode_next(self) -> None:
        number = len(self._jpegs)
        ok, bgr = self._video.read()
        if not ok:
            raise CameraError(f"{self._path}: frame {number} cannot be decoded; {DAMAGED}")
        width, height = self._chapters.size
        if bgr.shape[:2] != (height, width):
            raise CameraError(
                f"{self._path}: frames of {bgr.shape[1]} by {bgr.shape[0]} pixels, "
                f"the chapters say {width} by {height}; {DAMAGED}"
            )
        self._jpegs.append(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes())
