"""Observers see every finished item on threads of their own; what they do there never reaches the sorter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

from edge.clock import ManualClock
from edge.faults import Faults
from edge.observers import WAITING, Observers

PATIENCE_S = 20.0


def _item(number: int) -> Any:
    return cast(Any, number)


def _messages(faults: Faults) -> list[str]:
    return [fault.message for fault in faults.standing()]


def test_each_observer_gets_every_item_in_order_on_its_own_thread() -> None:
    first: list[Any] = []
    second: list[Any] = []
    threads = set()

    def take(item: Any) -> None:
        first.append(item)
        threads.add(threading.current_thread().name)

    with Observers(Faults(ManualClock())) as observers:
        observers.add("first", take)
        observers.add("second", second.append)
        for number in range(WAITING):
            observers.offer(_item(number))
    assert first == second == list(range(WAITING)), "what waits at the end is done before it closes"
    assert threads == {"first"}


def test_an_observer_that_fails_is_a_fault_until_it_takes_an_item_again() -> None:
    faults, disk_full = Faults(ManualClock()), True
    taken: list[Any] = []

    def take(item: Any) -> None:
        if disk_full:
            raise OSError("No space left on device")
        taken.append(item)

    observers = Observers(faults)
    observer = observers.add("flight recorder", take)
    observers.offer(_item(1))
    _until(lambda: observer.trouble is not None)
    observers.tend()
    assert _messages(faults) == ["flight recorder: No space left on device"]
    disk_full = False
    observers.offer(_item(2))
    _until(lambda: observer.trouble is None)
    observers.tend()
    assert _messages(faults) == [] and taken == [2]
    observers.__exit__()


def test_an_observer_that_hangs_misses_items_and_says_so_and_the_sorter_does_not_wait() -> None:
    faults, go_on, began = Faults(ManualClock()), threading.Event(), threading.Event()
    taken: list[Any] = []

    def take(item: Any) -> None:
        began.set()
        assert go_on.wait(PATIENCE_S)
        taken.append(item)

    with Observers(faults) as observers:
        observers.add("captures", take)
        observers.offer(_item(0))
        assert began.wait(PATIENCE_S)
        for number in range(1, WAITING + 2):
            observers.offer(_item(number))  # would hang here
        observers.tend()
        assert _messages(faults) == [f"captures: {WAITING} pieces of work wait for it already"]
        go_on.set()
        _until(lambda: len(taken) == WAITING + 1)
        observers.offer(_item(99))
        observers.tend()
        assert _messages(faults) == []
    assert taken == [*range(WAITING + 1), 99], "one was missed"


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.001)
