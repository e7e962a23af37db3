"""The bin in simulated time: all of it is the program as it ships; only its surroundings can be made to fail."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import Config
from edge.domain import Camera, Clock, SortEvent
from edge.engines.process import WORKER
from edge.engines.supervised import SupervisedEngine
from edge.errors import BrokerError
from edge.mqtt.embedded_broker import EmbeddedBroker
from edge.mqtt.topics import Topics
from edge.sim.camera_faults import FaultyCamera
from edge.sim.disk_faults import DiskFaults
from edge.sim.hardware import SimulatedHardware
from edge.sim.lamp import LitCamera
from edge.sim.pins import SimulatedPins

HOST = "127.0.0.1"
THREADS_S = 0.002
"""Real time that a simulated cycle leaves to the threads of broker and engine."""
JUMP_S = 30.0


class SteppedClock(ManualClock):
    """Simulated time; after_sleep is called whenever somebody has slept."""

    def __init__(self) -> None:
        super().__init__()
        self.after_sleep: Callable[[], None] = lambda: None

    def sleep(self, duration_s: float) -> None:
        super().sleep(duration_s)
        self.after_sleep()


class CountingHardware(SimulatedHardware):
    """Counts what the mechanism is told."""

    pulses = 0

    def attach(self, config: Config, clock: Clock, pins: SimulatedPins) -> None:
        super().attach(config, clock, pins)
        self.pins = pins
        for pin in config.actuator.pins:
            pins.pin(pin).listeners.append(self._count)
        pins.i2c(1).listeners.append(lambda: self._count(1.0))

    def _count(self, state: float) -> None:
        self.pulses += state > 0


class Site:
    """What outlasts the program: the broker, a subscriber, the folder. A context manager."""

    def __init__(self, folder: Path, bin_id: str) -> None:
        self.folder, self.topics = folder, Topics(bin_id)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        self._broker: EmbeddedBroker | None = None
        self._subscribed = False
        self._changed = threading.Condition()
        self.arrived: list[UUID] = []
        self.alerts: dict[str, list[bool]] = {}
        """Code → whether each message on its topic said that the fault stands."""

    def __enter__(self) -> Site:
        self.start_broker()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop_broker()

    def start_broker(self) -> None:
        """The subscriber is there before the bin can be: it waits for longer between its attempts."""
        if self._broker is None:
            self._broker = EmbeddedBroker(HOST, self.port).__enter__()
            self._subscribed = False
            self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
            self._client.on_connect = lambda client, *_: client.subscribe(f"{self.topics.base}/#", qos=1)
            self._client.on_subscribe = self._on_subscribe
            self._client.on_message = self._on_message
            self._client.connect(HOST, self.port)
            self._client.loop_start()
            if not self.hears(lambda: self._subscribed):
                raise BrokerError("the simulated site's own broker does not answer; is this machine overloaded?")

    def stop_broker(self) -> None:
        if self._broker is not None:
            self._client.disconnect()
            self._client.loop_stop()
            if (left := self._client.socket()) is not None:  # paho's thread may have ended before it was closed
                left.close()
            self._broker.__exit__()
            self._broker = None

    def hears(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
        """Wait, in real time, until what arrived meets the condition."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def _on_subscribe(self, *_: object) -> None:
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def _on_message(self, client: object, data: object, message: MQTTMessage) -> None:
        with self._changed:
            if message.topic == self.topics.classification:
                self.arrived.append(UUID(json.loads(message.payload)["event_id"]))
            elif message.topic.startswith(self.topics.alert("")):
                self.alerts.setdefault(message.topic.rpartition("/")[2], []).append(bool(message.payload))
            self._changed.notify_all()


class SimulatedBin:
    """One run of the program at a site. A context manager."""

    def __init__(self, config: Config, site: Site, *, engine_command: Sequence[str] = WORKER) -> None:
        self.config, self.site, self.clock = config, site, SteppedClock()
        self.events: list[SortEvent] = []
        self.hardware = CountingHardware()
        self.disk = DiskFaults(self.clock)
        self._engine_command = engine_command
        self._stop, self._stack = threading.Event(), ExitStack()

    def __enter__(self) -> SimulatedBin:
        self.daemon = self._stack.enter_context(
            open_daemon(
                self.config,
                self.clock,
                stop=self._stop,
                around_camera=self._take_camera,
                hardware=self.hardware,
                engine_command=self._engine_command,
                store=self.disk.journal,
            )
        )
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def pulses(self) -> int:
        """What the mechanism was told so far: pulses, steps, registers of a servo board."""
        return self.hardware.pulses

    @property
    def engine(self) -> SupervisedEngine:
        engine = self.daemon.classifier.engine
        assert isinstance(engine, SupervisedEngine)
        return engine

    def standing(self) -> set[str]:
        """The codes of the faults that stand."""
        return {fault.code for fault in self.daemon.faults.standing()}

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Until the condition is true, or so many simulated seconds have passed; gives how many did."""
        from_s = self.clock.monotonic_s()

        def after_sleep() -> None:
            if until() or self.clock.monotonic_s() - from_s >= seconds:
                self._stop.set()
            self.daemon.publisher.wake()
            time.sleep(THREADS_S)

        self.clock.after_sleep = after_sleep
        self._stop.clear()
        try:
            self.daemon.run(on_event=self.events.append)
        finally:
            self.clock.after_sleep = lambda: None
        return self.clock.monotonic_s() - from_s

    def sort(self, items: int, within_s: float = 120.0) -> bool:
        """Sort so many more items; False when they were not in time."""
        wanted = len(self.events) + items
        self.run(within_s, lambda: len(self.events) >= wanted)
        return len(self.events) >= wanted

    def hurry(self, seconds: float, jump_s: float = JUMP_S, until: Callable[[], bool] = lambda: False) -> None:
        """Let so much time pass in a few cycles; less when the condition is true."""
        for _ in range(round(seconds / jump_s)):
            if until():
                return
            self.clock.advance(jump_s)
            self.run(0.2)

    def _take_camera(self, camera: Camera) -> Camera:
        self.lit = camera if isinstance(camera, LitCamera) else None
        self.camera = FaultyCamera(camera)
        return self.camera
