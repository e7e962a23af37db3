"""The newest item's picture for the broker, where the config asks for it."""

from __future__ import annotations

from collections.abc import Callable

from edge.captures.picture import Region, tray_picture
from edge.jpeg import jpeg_of
from edge.observers import SortedItem

SIDE_PX, QUALITY = 640, 80


class LastImage:
    """An observer of the sorter. publish: takes a JPEG, at once."""

    def __init__(self, region: Region, publish: Callable[[bytes], None]) -> None:
        self._region, self._publish = region, publish

    def take(self, item: SortedItem) -> None:
        picture, _ = tray_picture(item.looks[-1], self._region, SIDE_PX)
        self._publish(jpeg_of(picture, QUALITY))
