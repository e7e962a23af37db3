"""The last few items, each with a small picture, for people who look on."""

from __future__ import annotations

import threading
from collections import deque

from edge.control import RecentItem, RecentResult, jpeg_base64
from edge.observers import SortedItem
from edge.payloads import event_payload

KEPT = 10
SIDE_PX = 160


class Recent:
    """An observer of the sorter. It keeps the pictures encoded: some kilobytes each, and no frame."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[RecentItem] = deque(maxlen=KEPT)

    def take(self, item: SortedItem) -> None:
        """Keep an item; the oldest goes."""
        kept = RecentItem(event=event_payload(item.event), jpeg=jpeg_base64(item.looks[-1].pixels, SIDE_PX))
        with self._lock:
            self._items.appendleft(kept)

    def result(self) -> RecentResult:
        """Newest first."""
        with self._lock:
            return RecentResult(items=list(self._items))
