"""The engine that the bin sorts with: in a process of its own, found out when it hangs, dies or is wrong, and replaced.

                   ┌────────── no engine passes: wait longer and longer ───────────┐
                   ▼                                                               │
    start ─► open the next candidate ─► golden self-test ─► answers ──hung, died, wrong──► killed
                   └─ cannot, or wrong: the next one ─┘

A picture that got no answer raises EngineAway: its item still lies on the tray, nothing was decided, and it is looked
at and asked again as soon as an engine answers. One thread, "engine", starts and kills the processes; it lives as long
as they do, since Linux ends a process that asked for it with the *thread* that started it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, self_test
from edge.domain import Clock
from edge.engines.candidate import Candidate
from edge.engines.process import WORKER, EngineLost, EngineProcess
from edge.errors import BundleError, EngineAway, GoldenMismatch
from edge.faults import Faults

RECOVERED_S = 600.0
"""A new engine that answers for so long has settled: the fault of the one before it is over."""
TRIES = 2
"""Failures of a candidate, within RECOVERED_S of each other, after which others come before it."""

RESTARTED = "it was started anew and the item asked again; if this comes back: python -m edge tune, or look at the log"
FALLBACK = "run python -m edge tune, which builds and measures every engine anew"
NONE = "see the message; install an engine or copy the bundle again; it is tried again by itself"


class SupervisedEngine:
    """Implements `edge.domain.Engine`. Safe to use from any thread; one picture at a time.

    wanted, threads: as `classify.engine` and `classify.threads`. cache: folder of built engines. timeout_s: seconds
    within which a picture must be answered. open_timeout_s: within which an engine must be open; building one for a GPU
    takes minutes. command: starts the process.

    Faults: `engine_hung`, `engine_died`, `engine_wrong`, `engine_fallback`, `no_engine`.
    """

    backoff_s = (10.0, 600.0)
    """The first and the longest wait, real seconds, before all engines are tried again when none could be used."""

    def __init__(
        self,
        bundle: Bundle,
        faults: Faults,
        clock: Clock,
        *,
        wanted: str = "auto",
        threads: int = 0,
        cache: Path | None = None,
        timeout_s: float,
        open_timeout_s: float,
        command: Sequence[str] = WORKER,
    ) -> None:
        self.name = "none"
        self.precision: str = bundle.manifest.precision
        self._bundle, self._faults, self._clock = bundle, faults, clock
        self._wanted, self._threads, self._cache, self._command = wanted, threads, cache, tuple(command)
        self._timeout_s, self._open_timeout_s = timeout_s, open_timeout_s
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._process: EngineProcess | None = None  # the one that answers
        self._opening: EngineProcess | None = None  # the one that may, soon
        self._candidate: Candidate | None = None
        self._order: list[Candidate] = []
        self._first: Candidate | None = None  # of the order
        self._failures: Counter[Candidate] = Counter()
        self._away: str | None = "the engine is being started"
        self._tried = False
        self._closing = threading.Event()
        self._since_s = 0.0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> SupervisedEngine:
        """Begin to open an engine; `wait` waits for it."""
        self._closing.clear()
        self._thread = threading.Thread(target=self._supervise, name="engine", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._changed:
            self._closing.set()
            opening = self._opening
            self._changed.notify_all()
        if opening is not None:
            opening.kill()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wait(self) -> bool:
        """Wait until an engine answers, or all have been tried once; whether one answers."""
        with self._changed:
            self._changed.wait_for(lambda: self._tried or self._closing.is_set())
            return self._process is not None

    @property
    def away(self) -> str | None:
        """Why no picture is answered now; None while an engine answers."""
        return self._away

    @property
    def pid(self) -> int | None:
        """The engine's process; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    @property
    def overhead_s(self) -> float:
        """What the newest picture took beside the engine's own time, seconds; 0 while there is no engine."""
        process = self._process
        return 0.0 if process is None else process.overhead_s

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, size, size, 3) uint8 RGB → logits (N, K) float32, class_maps (N, K, h, w) float32.

        Raises:
            EngineAway: there is no answer now; ask again when `away` is None.
        """
        with self._asking:
            process = self._answering()
            try:
                return process.infer(images)
            except EngineLost as error:
                self._lose(error.code, str(error))
            except BundleError as error:  # the engine's own, while it ran
                self._lose("engine_died", f"{process.name} failed: {error}")
            raise EngineAway(self._away or "the engine is being started anew")

    def use(self, bundle: Bundle) -> None:
        """Run another bundle from now on. No picture is answered until an engine for it is open and was checked."""
        with self._asking, self._changed:
            self._bundle, self.precision = bundle, bundle.manifest.precision
            self._order.clear()
            self._failures.clear()
            self._away, self._tried = "another model is being opened", False
            if self._process is not None:
                self._opening, self._process = self._process, None  # for the thread to kill
            elif self._opening is not None:
                self._opening.kill()
            self._changed.notify_all()

    def check(self) -> bool:
        """Hold the running engine against the golden set; one that fails is replaced. Whether it passed.

        Raises:
            EngineAway: there is no engine to check.
        """
        with self._asking:
            process = self._answering()
            try:
                self_test(process, self._bundle.golden, self._bundle.tolerance_of(process.precision))
            except GoldenMismatch as error:
                lost = error.__cause__  # the self-test takes any failure for a mismatch
                if isinstance(lost, EngineLost):
                    self._lose(lost.code, str(lost))
                else:
                    self._lose("engine_wrong", str(error))
                return False
        return True

    def settle(self) -> None:
        """Called now and then: forget the failures of long ago."""
        settled = self._away is None and self._clock.monotonic_s() - self._since_s > RECOVERED_S
        if settled and self._failures:
            self._failures.clear()
            for code in ("engine_hung", "engine_died", "engine_wrong"):
                self._faults.clear(code)

    def _answering(self) -> EngineProcess:
        process = self._process
        if process is None:
            raise EngineAway(self._away or "the engine is being started")
        return process

    def _lose(self, code: str, message: str) -> None:
        """The engine that answered must not any more; the thread sees to the next."""
        self._faults.report(code, message, RESTARTED)
        with self._changed:
            if self._candidate is not None:
                self._failures[self._candidate] += 1
            self._away = message
            self._opening, self._process = self._process, None  # for the thread to kill
            self._changed.notify_all()

    # The thread.

    def _supervise(self) -> None:
        wait_s = self.backoff_s[0]
        while not self._closing.is_set():
            bundle = self._bundle
            if self._open_next(bundle):
                wait_s = self.backoff_s[0]
                with self._changed:
                    self._changed.wait_for(lambda: self._process is None or self._closing.is_set())
                    self._opening = self._opening or self._process
                self._kill()
            else:
                self._wait_for_another(bundle, wait_s)
                wait_s = min(2 * wait_s, self.backoff_s[1]) if self._bundle is bundle else self.backoff_s[0]
        self._process = None
        self._kill()

    def _wait_for_another(self, bundle: Bundle, wait_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing.is_set() or self._bundle is not bundle, wait_s)

    def _open_next(self, bundle: Bundle) -> bool:
        """Try the candidates; whether one answers now. Ends early when another bundle is wanted meanwhile."""
        reasons: list[str] = []
        try:
            self._know_order()
            for candidate in sorted(self._order, key=lambda candidate: self._failures[candidate] // TRIES):
                try:
                    self._open(candidate)
                except (BundleError, EngineLost) as error:
                    reasons.append(str(error))
                    self._kill()
                    if self._closing.is_set() or self._bundle is not bundle:
                        return False
                else:
                    if self._opened(candidate, reasons, bundle):
                        return True
                    self._kill()
                    return False
        except (BundleError, EngineLost, OSError) as error:  # OSError: no process can be started
            reasons.append(str(error))
            self._kill()
        why = "\n  ".join([f"{bundle.path}: no engine of this machine may sort with it", *reasons])
        with self._changed:
            if self._closing.is_set() or self._bundle is not bundle:
                return False
            self._away, self._tried = why, True
            self._changed.notify_all()
        self._faults.report("no_engine", why, NONE)
        return False

    def _know_order(self) -> None:
        if not self._order:
            self._order = self._start().order(self._wanted, self._threads)
            self._first = self._order[0]

    def _open(self, candidate: Candidate) -> None:
        """Raises BundleError, EngineLost."""
        process = self._opening or self._start()  # the one that told the order opens the first
        process.open(candidate, self._open_timeout_s)
        self_test(process, self._bundle.golden, self._bundle.tolerance_of(process.precision))

    def _opened(self, candidate: Candidate, reasons: list[str], bundle: Bundle) -> bool:
        with self._changed:
            if self._bundle is not bundle:
                return False
            process, self._opening = self._opening, None
            assert process is not None
            self._process, self._candidate = process, candidate
            self.name, self.precision = process.name, process.precision
            self._away, self._tried, self._since_s = None, True, self._clock.monotonic_s()
            self._changed.notify_all()
        self._faults.clear("no_engine")
        if candidate == self._first and not reasons:
            self._faults.clear("engine_fallback")
        else:
            passed_over = "; ".join(reasons) or f"{self._first} failed too often"
            self._faults.report("engine_fallback", f"{passed_over}; {process.name} sorts instead", FALLBACK)
        return True

    def _start(self) -> EngineProcess:
        process = EngineProcess(self._bundle, self._cache, timeout_s=self._timeout_s, command=self._command)
        with self._changed:
            self._opening = process
        if self._closing.is_set():
            raise EngineLost("the bin is being stopped")
        return process

    def _kill(self) -> None:
        with self._changed:
            process, self._opening = self._opening, None
        if process is not None:
            process.close()
