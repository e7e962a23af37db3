"""One size of fleet, from the first connection to the last goodbye."""

from __future__ import annotations

import math
import resource
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from secrets import token_hex
from uuid import UUID

from edge.clock import SystemClock
from edge.config import Config
from edge.errors import BrokerError
from edge.mqtt.credentials import read_credentials
from edge.simulate.fleet.bin import FleetBin
from edge.simulate.fleet.broker import OwnMosquitto, Usage
from edge.simulate.fleet.crowd import Crowd
from edge.simulate.fleet.items import Items
from edge.simulate.fleet.judge import Delivery, Heard, judge
from edge.simulate.fleet.listener import Listener
from edge.simulate.fleet.plan import Plan
from edge.simulate.fleet.tally import Sent, Tally
from edge.update.site import current_bundle

EVENTS = "smartbin/+/classification"
_CONNECT_S, _CONNECT_S_PER_BIN = 60.0, 0.2
_STILL_S = 60.0
_TELL_EVERY_S = 5.0


@dataclass(frozen=True)
class Broker:
    """Where the bins go. own: a Mosquitto that we started. pid: of the broker's process, where it is known."""

    config: Config
    own: OwnMosquitto | None
    pid: Callable[[], int | None]


@dataclass(frozen=True)
class Result:
    """What came of it. connecting, sorting: what the bins sent until all were on line, and from then to the end.
    sorting_s: how long that was. heard: messages to the subscribers. broker_cpu_s, broker_mib: while they sorted, and
    at most; None where the broker's process is not known. own_cpu_s: of the process that plays the bins.
    """

    plan: Plan
    connected_after_s: float
    connecting: Sent
    sorting: Sent
    sorting_s: float
    delivery: Delivery
    heard: int
    reconnections: int
    broker_away_s: float | None
    broker_cpu_s: float | None
    broker_mib: float | None
    own_cpu_s: float


def run(plan: Plan, broker: Broker, tell: Callable[[str], None] = lambda line: None) -> Result:
    """Play them.

    Raises:
        BrokerError: the broker refuses a bin or a subscriber, or not all come on line.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trial = _Trial(plan, broker, tell, stack, folder)
        return trial.run()


class _Trial:
    def __init__(self, plan: Plan, broker: Broker, tell: Callable[[str], None], stack: ExitStack, folder: Path) -> None:
        self._plan, self._broker, self._tell = plan, broker, tell
        self._tally, self._usage = Tally(), Usage()
        self._finished: dict[UUID, float] = {}
        self._told_s = 0.0
        run_id = token_hex(3)
        mqtt = broker.config.mqtt
        shared = f"$share/{run_id}/" if plan.subscribers > 1 else ""
        self._listeners = [
            stack.enter_context(Listener(mqtt, f"smartbin-sizing-{run_id}-{at}", shared + EVENTS, folder / str(at)))
            for at in range(plan.subscribers)
        ]
        self._crowd = stack.enter_context(Crowd(self._bins(run_id, stack)))

    def _bins(self, run_id: str, stack: ExitStack) -> list[FleetBin]:
        config = self._broker.config
        bell, ringer = socket.socketpair()  # never rung: what the bins share to be told by is the crowd's
        stack.enter_context(bell)
        stack.enter_context(ringer)
        credentials, random, clock = read_credentials(config.mqtt), Random(run_id), SystemClock()
        bundle = current_bundle(config)
        items = Items(config, bundle, random)
        return [
            stack.enter_context(
                FleetBin(
                    f"sizing-{run_id}-{number}",
                    config,
                    credentials,
                    bundle.model_id,
                    items,
                    clock,
                    random,
                    self._tally,
                    bell,
                    self._finished.__setitem__,
                )
            )
            for number in range(1, self._plan.bins + 1)
        ]

    def run(self) -> Result:
        try:
            return self._measured()
        finally:
            self._crowd.leave(take_back=self._broker.own is None)

    def _measured(self) -> Result:
        started_s = time.monotonic()
        self._connect()
        connected_s, connecting = time.monotonic(), self._tally.now()
        self._sample()
        cpu_s, own_cpu_s = self._usage.cpu_s, _own_cpu_s()
        away_s = self._sort()
        known = self._broker.pid() is not None
        return Result(
            plan=self._plan,
            connected_after_s=connected_s - started_s,
            connecting=connecting,
            sorting=self._tally.now().since(connecting),
            sorting_s=time.monotonic() - connected_s,
            delivery=judge(self._finished, self._heard(), self._in_outbox()),
            heard=len(self._heard()),
            reconnections=sum(bin_.losses for bin_ in self._crowd.bins),
            broker_away_s=away_s,
            broker_cpu_s=self._usage.cpu_s - cpu_s if known else None,
            broker_mib=self._usage.most_mib if known else None,
            own_cpu_s=_own_cpu_s() - own_cpu_s,
        )

    def _heard(self) -> list[Heard]:
        return [message for listener in self._listeners for message in listener.heard()]

    def _in_outbox(self) -> list[UUID]:
        return [event_id for bin_ in self._crowd.bins for event_id in bin_.in_outbox()]

    def _connect(self) -> None:
        limit_s = _CONNECT_S + _CONNECT_S_PER_BIN * self._plan.bins
        if not self._crowd.run(lambda: self._look() and all(bin_.quiet for bin_ in self._crowd.bins), limit_s):
            raise BrokerError(
                f"{self._crowd.connected} of {self._plan.bins} bins were on line after {limit_s:.0f} s "
                f"({self._crowd.last_loss}); look at the broker's log and at its limits: max_connections, open files"
            )
        self._crowd.patient = True

    def _sort(self) -> float | None:
        """All items, and then until all has arrived or no more comes; how long the broker was away."""
        plan, restart = self._plan, _Restart(self._broker.own, self._usage)
        self._crowd.start(60 / plan.rate_per_min if plan.rate_per_min else math.inf)
        if plan.restart_after_s is not None:
            self._crowd.run(self._never, plan.restart_after_s)
            self._tell(f"{plan.bins} bins: the broker is restarted")
            restart.begin()
        self._crowd.run(self._never, plan.seconds - (plan.restart_after_s or 0.0))
        self._crowd.start(math.inf)
        heard = -1
        while heard < (heard := self._count()):
            if self._crowd.run(lambda: self._look() and restart.over and self._all_arrived(), _STILL_S):
                break
        return restart.end()

    def _count(self) -> int:
        return sum(listener.count() for listener in self._listeners)

    def _all_arrived(self) -> bool:
        if not all(bin_.idle for bin_ in self._crowd.bins):
            return False
        if self._count() < len(self._finished):
            return False
        if not all(bin_.quiet and bin_.journal.depth() == 0 for bin_ in self._crowd.bins):
            return False
        return self._finished.keys() <= {message.event_id for message in self._heard()}

    def _never(self) -> bool:
        self._look()
        return False

    def _look(self) -> bool:
        self._sample()
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            crowd, bins = self._crowd, self._plan.bins
            line = f"{crowd.connected} of {bins} bins on line, {len(self._finished)} items sorted"
            why = f"; the last loss: {crowd.last_loss}" if crowd.patient and crowd.connected < bins else ""
            self._tell(f"{line}, {self._count()} events heard{why}")
        return True

    def _sample(self) -> None:
        pid = self._broker.pid()
        if pid is not None:
            self._usage.sample(pid)


class _Restart:
    """Of a broker, on a thread of its own: the bins live on."""

    def __init__(self, broker: OwnMosquitto | None, usage: Usage) -> None:
        self._broker, self._usage = broker, usage
        self._thread: threading.Thread | None = None
        self._away_s: float | None = None
        self._error: BaseException | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="broker-restart")
        self._thread.start()

    @property
    def over(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def end(self) -> float | None:
        """For how long it was away, seconds; None: it was not restarted. Raises what went wrong."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._away_s

    def _run(self) -> None:
        assert self._broker is not None
        try:
            self._away_s = self._broker.restart(self._usage)
        except BaseException as error:  # noqa: BLE001 - `end` raises it
            self._error = error


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
