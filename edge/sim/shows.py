"""What the simulated tray can show: the clip's items, or a folder's photographs laid on its empty tray."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from edge.bundle.preprocess import read_picture
from edge.camera.folder import pictures_in
from edge.domain import RgbImage
from edge.errors import CameraError, UnreadablePicture
from edge.sim.clip import Chapters, Clip, Span

CARD_SHARE = 0.8  # of the tray's width or height; the border stays in view
SLIDE_FRAMES = 6

logger = logging.getLogger(__name__)


class Act(NamedTuple):
    """One item's turn on the tray: how many frames each part has."""

    name: str
    appear: int
    still: int
    taken: int


class Show(Protocol):
    """A source of items, one after another and round again."""

    def next(self) -> Act:
        """The next item."""
        ...

    def empty(self, frame: int) -> RgbImage:
        """The empty tray. Frames count from 0, as long as one likes."""
        ...

    def appear(self, frame: int) -> RgbImage: ...

    def still(self, frame: int) -> RgbImage: ...

    def taken(self, frame: int) -> RgbImage: ...


class ClipShow:
    """The clip's items, in its order."""

    def __init__(self, clip: Clip, chapters: Chapters) -> None:
        self._clip = clip
        self._chapters = chapters
        self._at = -1

    def next(self) -> Act:
        self._at = (self._at + 1) % len(self._chapters.items)
        item = self._chapters.items[self._at]
        return Act(item.name, *(last - first + 1 for first, last in (item.appear, item.still, item.taken)))

    def empty(self, frame: int) -> RgbImage:
        return self._picture(self._chapters.empty, frame)

    def appear(self, frame: int) -> RgbImage:
        return self._picture(self._chapters.items[self._at].appear, frame)

    def still(self, frame: int) -> RgbImage:
        return self._picture(self._chapters.items[self._at].still, frame)

    def taken(self, frame: int) -> RgbImage:
        return self._picture(self._chapters.items[self._at].taken, frame)

    def _picture(self, span: Span, frame: int) -> RgbImage:
        first, last = span
        return self._clip.picture(first + frame % (last - first + 1))


class CardShow:
    """A folder's photographs, each slid on to the empty tray as a card. Reads one at a time."""

    def __init__(self, folder: Path, clip: Clip, chapters: Chapters) -> None:
        self._folder = folder
        self._empty = clip.picture(chapters.empty[0])
        self._photographs = pictures_in(folder)
        self._at = -1
        self._card = self._empty
        self._ready: Act | None = self._take_next()

    def next(self) -> Act:
        # The first card was read when the show was made, so that a folder without one readable file fails at once.
        act = self._ready or self._take_next()
        self._ready = None
        return act

    def empty(self, frame: int) -> RgbImage:
        return self._empty

    def appear(self, frame: int) -> RgbImage:
        return self._with_card(1.0 - (frame + 1) / SLIDE_FRAMES)

    def still(self, frame: int) -> RgbImage:
        return self._with_card(0.0)

    def taken(self, frame: int) -> RgbImage:
        return self._with_card((frame + 1) / SLIDE_FRAMES)

    def _take_next(self) -> Act:
        while self._photographs:
            self._at = (self._at + 1) % len(self._photographs)
            path = self._photographs[self._at]
            try:
                self._card = self._cut(read_picture(path))
            except UnreadablePicture as error:
                logger.warning("skipped %s", error)
                del self._photographs[self._at]
                self._at -= 1
                continue
            return Act(path.name, SLIDE_FRAMES, 1, SLIDE_FRAMES)
        raise CameraError(f"{self._folder}: not one of its pictures can be read; save them again as JPEG or PNG")

    def _cut(self, photograph: RgbImage) -> RgbImage:
        height, width = photograph.shape[:2]
        scale = CARD_SHARE * min(self._empty.shape[0] / height, self._empty.shape[1] / width)
        size = (max(1, round(scale * width)), max(1, round(scale * height)))
        # INTER_AREA only shrinks well; a photograph smaller than the tray is enlarged smoothly.
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(photograph, size, interpolation=how), np.uint8)

    def _with_card(self, away: float) -> RgbImage:
        """The tray with the card on it, `away` of its own path towards the upper edge: 0 in place, 1 out of sight."""
        tray_height, tray_width = self._empty.shape[:2]
        height, width = self._card.shape[:2]
        left, top = (tray_width - width) // 2, (tray_height - height) // 2
        top -= round(away * (top + height))
        hidden = max(0, -top)
        picture = self._empty.copy()
        picture[top + hidden : top + height, left : left + width] = self._card[hidden:]
        return picture
