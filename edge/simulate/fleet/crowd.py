"""All bins of a fleet on one thread: whoever has something to read, or whose time has come, has its turn.

Only opening a connection may take long, so a few other threads do that.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import NamedTuple

from edge.errors import BrokerError
from edge.mqtt.connection import LostError
from edge.simulate.fleet.bin import FleetBin
from edge.simulate.fleet.tally import CountedConnection

_OPENERS = 16
_SWITCHED_ON = 50  # bins at one time in their first minute; after a loss they come back as they will
_LOOK_S = 0.25  # how often `until` is asked
_FAREWELL_S = 20.0


class _Opened(NamedTuple):
    """What came of opening a bin's connection."""

    bin: FleetBin
    line: CountedConnection | None
    error: Exception | None


class Crowd:
    """A context manager: when left, all connections are gone.

    patient: all were on line once. A broker that refuses is tried again then, as a bin does; before, it ends `run`.
    """

    def __init__(self, bins: Sequence[FleetBin]) -> None:
        self.bins = bins
        self.patient = False
        self.last_loss = "no connection was lost"
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._watched: dict[FleetBin, int] = {}
        self._due: list[tuple[float, int, FleetBin]] = []
        self._opening: list[tuple[float, int, FleetBin]] = []
        self._turns = 0
        self._under_way = set[FleetBin]()
        self._opened: SimpleQueue[_Opened] = SimpleQueue()
        self._pool = ThreadPoolExecutor(_OPENERS, thread_name_prefix="opening")

    def __enter__(self) -> Crowd:
        self._ear, self._ringer = socket.socketpair()
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        for bin_ in self.bins:
            self._open_at(0.0, bin_)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._pool.shutdown(cancel_futures=True)
        while True:
            try:
                line = self._opened.get_nowait().line
            except Empty:
                break
            if line is not None:
                line.drop()
        self._selector.close()
        self._ear.close()
        self._ringer.close()

    @property
    def connected(self) -> int:
        return len(self._watched)

    def run(self, until: Callable[[], bool], at_most_s: float) -> bool:
        """Let them live until then; whether it came in time.

        Raises:
            BrokerError: the broker refuses a bin, unless we are `patient`.
        """
        end_s = time.monotonic() + at_most_s
        look_s = 0.0
        while (now_s := time.monotonic()) < end_s:
            if now_s >= look_s:
                if until():
                    return True
                look_s = now_s + _LOOK_S
            self._turn(min(end_s, look_s))
        return until()

    def start(self, every_s: float) -> None:
        """An item of each bin every so many seconds."""
        for bin_ in self.bins:
            bin_.start(every_s)
            self._note(bin_)

    def leave(self, *, take_back: bool) -> None:
        """Say goodbye for all, as far as there is a connection. take_back: what the broker keeps of them, too."""
        for bin_ in list(self._watched):
            try:
                assert bin_.session is not None and bin_.line is not None
                bin_.session.say_goodbye()
                for topic in sorted(bin_.retained) if take_back else ():
                    bin_.line.publish(topic, "", retain=True)
            except LostError as error:
                self._lose(bin_, str(error))
        # Nothing has its turn any more: a turn would say again what was taken back.
        until_s = time.monotonic() + _FAREWELL_S
        leaving = dict.fromkeys(self._watched, 0)
        while leaving and time.monotonic() < until_s:
            self._selector.select(0.05)
            for bin_ in list(leaving):
                try:
                    assert bin_.line is not None
                    bin_.line.serve(readable=True)
                    if not bin_.line.sending:
                        bin_.line.close()
                        self._forget(bin_)
                        del leaving[bin_]
                except LostError:
                    self._forget(bin_)
                    del leaving[bin_]

    def _turn(self, until_s: float) -> None:
        queues = (self._due, self._opening if self.patient else [])
        next_s = min([until_s, *(queue[0][0] for queue in queues if queue)])
        for key, events in self._selector.select(max(0.0, next_s - time.monotonic())):
            if key.data is None:
                self._ear.recv(4096)
            else:
                self._serve(key.data, readable=bool(events & selectors.EVENT_READ))
        self._take_opened()
        now_s = time.monotonic()
        due = []
        while self._due and self._due[0][0] <= now_s:
            due_s, _, bin_ = heapq.heappop(self._due)
            if due_s == bin_.due_s:  # else there is a newer entry
                due.append(bin_)
        for bin_ in due:
            self._serve(bin_, readable=False)
        room = len(self.bins) if self.patient else _SWITCHED_ON - self._busy()
        while room > 0 and self._opening and self._opening[0][0] <= now_s:
            _, _, bin_ = heapq.heappop(self._opening)
            self._under_way.add(bin_)
            self._pool.submit(self._open, bin_)
            room -= 1

    def _busy(self) -> int:
        """Bins that are coming on line."""
        return len(self._under_way) + sum(not bin_.quiet for bin_ in self._watched)

    def _serve(self, bin_: FleetBin, *, readable: bool) -> None:
        try:
            bin_.turn(readable=readable)
            self._watch(bin_)
        except LostError as error:
            self._lose(bin_, str(error))
        self._note(bin_)

    def _take_opened(self) -> None:
        while True:
            try:
                bin_, line, error = self._opened.get_nowait()
            except Empty:
                return
            self._under_way.discard(bin_)
            if line is not None:
                try:
                    bin_.connected(line)
                    self._watch(bin_)
                except LostError as lost:
                    self._lose(bin_, str(lost))
            elif isinstance(error, LostError) or (self.patient and isinstance(error, BrokerError)):
                self._lose(bin_, str(error))
            elif error is not None:
                raise error
            self._note(bin_)

    def _open(self, bin_: FleetBin) -> None:
        """On a thread of the pool."""
        try:
            line = bin_.connection()
            line.open(lambda: self._stopping)
            self._opened.put(_Opened(bin_, line, None))
        except Exception as error:  # noqa: BLE001 - raised by `_take_opened`, if it is not the broker's
            self._opened.put(_Opened(bin_, None, error))
        if not self._stopping:
            self._ringer.send(b"!")

    def _watch(self, bin_: FleetBin) -> None:
        """Wait for what this bin's socket waits for. Raises LostError."""
        line = bin_.line
        if line is None:
            return
        if line.fileno() == -1:
            raise LostError("the connection ended")
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.wants_to_write else 0)
        if bin_ not in self._watched:
            self._watched[bin_] = line.fileno()
            self._selector.register(self._watched[bin_], events, bin_)
        elif self._selector.get_key(self._watched[bin_]).events != events:
            self._selector.modify(self._watched[bin_], events, bin_)

    def _lose(self, bin_: FleetBin, reason: str) -> None:
        self._forget(bin_)
        self.last_loss = reason
        self._open_at(time.monotonic() + bin_.lost(reason), bin_)

    def _forget(self, bin_: FleetBin) -> None:
        descriptor = self._watched.pop(bin_, None)
        if descriptor is not None:
            self._selector.unregister(descriptor)

    def _open_at(self, at_s: float, bin_: FleetBin) -> None:
        self._turns += 1
        heapq.heappush(self._opening, (at_s, self._turns, bin_))

    def _note(self, bin_: FleetBin) -> None:
        self._turns += 1
        heapq.heappush(self._due, (bin_.due_s, self._turns, bin_))
