"""Asks the daemon what there is to see, once for all browsers that look."""

from __future__ import annotations

import threading

from pydantic import ValidationError

from edge.console.page import LivePage, down_page, live_page
from edge.control import ControlClient, StatusResult, ViewResult
from edge.domain import Clock
from edge.errors import SmartbinError


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
            view = ViewResult.model_validate(self._client.request("view"))
            return live_page(status, view)
        except ValidationError as error:
            return down_page(
                f"it answers in a form that this console does not know ({error.error_count()} problems); "
                "restart the console, it is of another version"
            )
        except SmartbinError as error:
            return down_page(str(error))
