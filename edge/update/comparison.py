"""Two models of the bin compared on what people named, beside the sorting and never in its way.

A thread of its own; each model in turn in the one engine beside the one that sorts, asked between items only; one
picture in memory. An update, which needs that engine, ends it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from edge.captures.compare import compare
from edge.captures.entry import CaptureFilter
from edge.captures.messages import CompareArguments, ComparisonResult, ComparisonView
from edge.captures.store import CaptureStore
from edge.classify import Classifier
from edge.errors import SmartbinError, UpdateError
from edge.update.slots import Slot

ITEMS = 500
"""The newest so many that people named."""
POLL_S = 0.05
CLOSE_S = 5.0

_log = logging.getLogger(__name__)


class Comparison:
    """A context manager. beside: gives the model in a place an engine. phase: of the sorter.

    updating: whether an update is under way.
    """

    def __init__(
        self,
        store: CaptureStore,
        beside: Callable[[Slot], AbstractContextManager[Classifier]],
        phase: Callable[[], str],
        updating: Callable[[], bool],
    ) -> None:
        self._store, self._beside = store, beside
        self._phase, self._updating = phase, updating
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._view = ComparisonView(running=False)

    def __enter__(self) -> Comparison:
        self._stop.clear()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def view(self) -> ComparisonView:
        """How the newest one goes, or went."""
        return self._view

    def start(self, asked: CompareArguments) -> None:
        """Begin.

        Raises:
            UpdateError: one is under way, or an update; or there is nothing to compare.
        """
        with self._lock:
            if self._view.running:
                raise UpdateError("a comparison is under way already")
            self._check_free()
            if asked.old == asked.new:
                raise UpdateError("choose two models")
            items = [entry.event_id for entry in self._store.entries(CaptureFilter(corrected=True))[:ITEMS]]
            if not items:
                raise UpdateError("nobody has named an item yet; there is nothing to compare on")
            self._view = ComparisonView(running=True, wanted=2 * len(items))

            def work() -> ComparisonResult:
                old, new = (partial(self._beside, slot) for slot in (asked.old, asked.new))
                return compare(items, self._store.read, old, new, self._before_each)

            self._thread = threading.Thread(target=self._run, args=(work,), name="compare", daemon=True)
            self._thread.start()

    def _check_free(self) -> None:
        if self._updating():
            raise UpdateError("an update is under way; compare when it is over")

    def _before_each(self) -> None:
        """Wait until no item lies on the tray."""
        while self._phase() in ("looking", "sorting") and not self._stop.wait(POLL_S):
            pass
        if self._stop.is_set():
            raise UpdateError("the program ends")
        self._check_free()
        self._view = self._view.model_copy(update={"done": self._view.done + 1})

    def _run(self, work: Callable[[], ComparisonResult]) -> None:
        try:
            result = work()  # before the view is read: it counts in it
            self._view = self._view.model_copy(update={"running": False, "result": result})
        except (SmartbinError, OSError) as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - a bug here must not end without a word
            _log.exception("the comparison failed")
            self._failed(f"a bug, {type(error).__name__}: {error}")

    def _failed(self, reason: str) -> None:
        self._view = self._view.model_copy(update={"running": False, "error": reason})
