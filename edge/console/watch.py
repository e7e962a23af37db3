"""Asks the daemon what there is to see, once for all browsers that look."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from edge.bundle.preprocess import decode
from edge.console.page import LivePage, down_page, item_figure, live_page
from edge.control import (
    ControlClient,
    ObservationView,
    PictureResult,
    RecentItem,
    RecentResult,
    StatusResult,
    ViewResult,
)
from edge.domain import Clock
from edge.errors import ControlError, SmartbinError


class Watch:
    """The newest live page. Ten open browsers cost the daemon no more than one.

    min_interval_s: a page younger than this is shown again instead of asking the daemon.
    """

    def __init__(self, client: ControlClient, clock: Clock, min_interval_s: float = 0.3) -> None:
        self._client = client
        self._clock = clock
        self._min_interval_s = min_interval_s
        self._lock = threading.Lock()
        self._page: LivePage | None = None
        self._asked_s = 0.0
        self._beat = 0
        self._known: UUID | None = None  # the item that is drawn already
        self._item = ""
        self._recent: list[RecentItem] = []

    def look(self) -> tuple[LivePage, int]:
        """The page, and a count that goes up whenever the daemon was asked."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if self._page is None or now_s - self._asked_s >= self._min_interval_s:
                self._page = self._ask()
                self._asked_s = self._clock.monotonic_s()
                self._beat += 1
            return self._page, self._beat

    def _ask(self) -> LivePage:
        try:
            status = StatusResult.model_validate(self._client.request("status"))
            known = None if self._known is None else str(self._known)
            view = ViewResult.model_validate(self._client.request("view", known=known))
            self._take(view)
            return live_page(status, view.last, self._item, self._recent)
        except ValidationError as error:
            return down_page(
                f"it answers in a form that this console does not know ({error.error_count()} problems); "
                "restart the console, it is of another version"
            )
        except SmartbinError as error:
            return down_page(str(error))

    def _take(self, view: ViewResult) -> None:
        """Draw a new item; ask for the strip until it shows the newest one as it ended."""
        last = view.last
        if last is None:
            self._known, self._item, self._recent = None, "", []
            return
        if view.crop_jpeg is not None and view.evidence is not None:
            crop = decode(base64.b64decode(view.crop_jpeg), name="the daemon's picture")
            self._known, self._item = last.event_id, item_figure(last, crop, view.evidence)
        newest = self._recent[0].event.event_id if self._recent else None
        if newest != last.event_id and last.actuation.outcome != "PENDING":
            self._recent = RecentResult.model_validate(self._client.request("recent")).items


@dataclass(frozen=True)
class Picture:
    """What the camera saw. until_s: `Clock.monotonic_s()` when it was taken."""

    seq: int
    jpeg: bytes
    taken_s: float
    seen: ObservationView | None


class Feed:
    """The newest picture of the tray. However many browsers look, the daemon is asked at most so often.

    min_interval_s: a picture younger than this is shown again.
    """

    def __init__(self, client: ControlClient, clock: Clock, min_interval_s: float = 0.1) -> None:
        self._client = client
        self._clock = clock
        self._min_interval_s = min_interval_s
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._picture: Picture | None = None

    def newest(self) -> Picture | None:
        """The picture; None while there is none: the daemon is down, or its camera has not given one."""
        with self._lock:
            if self._clock.monotonic_s() - self._asked_s >= self._min_interval_s:
                try:
                    self._picture = self._ask()
                except (SmartbinError, ValidationError):  # the page says what is wrong with the daemon
                    self._picture = None
                self._asked_s = self._clock.monotonic_s()
            return self._picture

    def age_s(self, picture: Picture) -> float:
        return max(0.0, self._clock.monotonic_s() - picture.taken_s)

    def _ask(self) -> Picture | None:
        before = self._picture
        answer = self._client.request("picture", known=None if before is None else before.seq)
        result = PictureResult.model_validate(answer)
        if result.seq is None or result.age_ms is None:
            return None
        taken_s = self._clock.monotonic_s() - result.age_ms / 1000
        if result.jpeg is not None:
            return Picture(result.seq, base64.b64decode(result.jpeg), taken_s, result.observation)
        if before is None:
            raise ControlError("a picture was taken for known that was never sent")
        return Picture(before.seq, before.jpeg, taken_s, result.observation)
