"""A bin cheap enough for a hundred thousand steps: the real sorter, guard and flap driver in a world of a few facts.

What looks and thinks is replaced by a few lines each (a picture of one pixel that holds what the camera sees); what
decides, allows and moves is the real thing, down to the pulses on gpiozero's mock pins. Every pulse is judged when it
is sent, against the facts and not against what the bin believes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import numpy as np
from gpiozero.pins.mock import MockFactory, MockPWMPin

from edge.actuators.flap import FlapActuator
from edge.actuators.guard import Guard, Safety
from edge.clock import ManualClock
from edge.config import load_config
from edge.decide import Policy
from edge.domain import Box, Frame, ModelId, Observation, Outcome, Prediction, SortEvent, TrayState
from edge.errors import JournalError, StaleFrame, UnfitFrame
from edge.faults import Faults
from edge.live import Live
from edge.sorter import Sorter

CONFIG = load_config(Path(__file__).parents[2] / "configs/edge/sim.yaml")
RESIDUAL = CONFIG.sorting.residual
COMPARTMENTS = tuple(sorted(CONFIG.actuator.positions))
BEAMS = COMPARTMENTS[::2]
"""These have a light beam in their chute."""
FPS = 15.0
STILL_S = 0.4
SEEN_FOR_S = CONFIG.max_frame_age_s + 2.0 / CONFIG.loop_hz
"""What the guard knows of the tray may be this old."""
TIME_LIMIT_S = CONFIG.actuator.move_timeout_s + 0.5
"""For a movement; a step that is slow itself ends a little later."""


class BrokenInvariant(BaseException):  # the bin catches errors; this one it must not
    """The bin did what it must never do."""


@dataclass
class Facts:
    """What is true, whether or not the bin knows. hand_since_s: when the hand came in; None without a hand."""

    lid_closed: bool = True
    estop_released: bool = True
    opening_clear: bool = True
    maintenance: bool = False
    hand_since_s: float | None = None
    full: frozenset[str] = frozenset()
    item: str | None = None  # the compartment in which it belongs
    stuck: bool = False  # it does not slide off
    astray: bool = False  # it falls beside the chute, and passes no beam
    camera: str = "good"  # good, unfit, unplugged
    disk_full: bool = False
    slowness: float = 1.0  # how much longer everything takes: a busy machine, a servo that drags


class World(ManualClock):
    """The facts, the clock, and what happens at the n-th wait from now. fell: told where an item falls."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = Facts()
        self.soon: list[tuple[int, str, Any]] = []  # waits left, fact, value
        self.open_over: Callable[[], str | None] = lambda: None
        self.fell: Callable[[str], None] = lambda compartment: None
        self.passed_s: dict[str, float] = {}  # when an item last passed the beam of a compartment
        self.looked_s = self.answered_s = 0.0  # when the tray was last looked at, and the network last answered

    def sleep(self, duration_s: float) -> None:
        self.advance(max(0.0, duration_s) * self.facts.slowness)
        due = [(fact, value) for left, fact, value in self.soon if left <= 1]
        self.soon = [(left - 1, fact, value) for left, fact, value in self.soon if left > 1]
        for fact, value in due:
            self.set(fact, value)
        self.let_fall()

    def set(self, fact: str, value: Any) -> None:
        """Change a fact. hand: in or out; item: only None, somebody takes it away."""
        if fact == "hand":
            fact, value = "hand_since_s", self.monotonic_s() if value else None
        setattr(self.facts, fact, value)

    def let_fall(self) -> None:
        if self.facts.item is None or self.facts.stuck:
            return
        compartment = self.open_over()
        if compartment is not None:
            self.facts.item = None
            if not self.facts.astray:
                self.passed_s[compartment] = self.monotonic_s()
            self.fell(compartment)


SEEN = ("empty", "item", "hand", "unfit")
PICTURES = {seen: np.full((1, 1, 3), number, np.uint8) for number, seen in enumerate(SEEN)}


class Eye:
    """Camera, its watch, and the presence model: a frame's only pixel says what is seen."""

    learnt = False

    def __init__(self, world: World) -> None:
        self._world = world
        self._still_from_s: float | None = None

    def __enter__(self) -> Eye:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def read_latest(self, max_age_s: float) -> Frame:
        facts, now_s = self._world.facts, self._world.monotonic_s()
        if facts.camera == "unplugged":
            raise StaleFrame("the newest frame is old")
        seq = int(now_s * FPS)
        hand = facts.hand_since_s is not None
        seen = "unfit" if facts.camera == "unfit" else "hand" if hand else "item" if facts.item else "empty"
        return Frame(PICTURES[seen], now_s, seq)

    def check(self, frame: Frame) -> None:
        if SEEN[int(frame.rgb[0, 0, 0])] == "unfit":
            raise UnfitFrame("dark")

    def learn(self, frame: Frame) -> None:
        pass

    def forget(self) -> None:
        self.learnt = False
        self._still_from_s = None

    def observe(self, frame: Frame) -> Observation:
        seen = SEEN[int(frame.rgb[0, 0, 0])]
        if seen == "unfit":
            raise BrokenInvariant("an unfit frame was looked at")
        self._world.looked_s = frame.captured_s
        if seen != "item":
            self._still_from_s = None
        if seen == "hand":
            return Observation(TrayState.MOTION, 0.3)
        if not self.learnt:
            self.learnt = seen == "empty"
            return Observation(TrayState.LEARNING, 0.0)
        if seen == "empty":
            return Observation(TrayState.EMPTY, 0.0)
        if self._still_from_s is None:
            self._still_from_s = frame.captured_s
        still = frame.captured_s - self._still_from_s >= STILL_S
        return Observation(TrayState.STILL if still else TrayState.SETTLING, 0.3, Box(0, 0, 1, 1))


class Beam:
    """A compartment's light beam, in the place of a switch."""

    def __init__(self, world: World, compartment: str) -> None:
        self._world, self._compartment = world, compartment

    def active_since(self, from_s: float) -> bool:
        return self._world.passed_s.get(self._compartment, -1.0) >= from_s


class Oracle:
    """The classifier: knows what lies there, now and then is unsure, and takes a while."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.unsure = False
        self.bundle: Any = self
        self.model_id = ModelId("oracle", "1", "0" * 64)

    def away(self) -> None:
        """It is there."""

    def prepare(self, crops: Sequence[Any]) -> Any:
        for crop in crops:
            if SEEN[int(crop[0, 0, 0])] != "item":
                raise BrokenInvariant(f"a picture of {SEEN[int(crop[0, 0, 0])]} was classified")
        return crops

    def predict(self, images: Any) -> Prediction:
        item = self._world.facts.item or RESIDUAL  # taken away meanwhile
        self._world.sleep(0.05)
        self._world.answered_s = self._world.monotonic_s()
        labels = COMPARTMENTS
        sure = 0.3 if self.unsure else 0.96
        rest = (1 - sure) / (len(labels) - 1)
        p = np.array([sure if label == item else rest for label in labels], np.float32)
        return Prediction(labels, p, np.zeros((len(labels), 1, 1), np.float32), -9.0, "oracle", 0.05)


@dataclass
class Ledger:
    """The journal, in memory: it survives a restart. order: what happened to which event."""

    world: World
    events: dict[UUID, SortEvent] = field(default_factory=dict)
    pending: UUID | None = None
    recorded_s: float = 0.0  # when the newest event was

    @property
    def target(self) -> str | None:
        """Where the item goes that is being sorted."""
        return None if self.pending is None else self.events[self.pending].decision.compartment

    def next_seq(self) -> int:
        return len(self.events) + 1

    def record(self, event: SortEvent) -> None:
        self._write()
        if event.event_id in self.events or self.pending is not None or event.outcome is not Outcome.PENDING:
            raise BrokenInvariant("an event was recorded twice, or before the one before it was completed")
        self.events[event.event_id], self.pending = event, event.event_id
        self.recorded_s = self.world.monotonic_s()

    def complete(self, event: SortEvent) -> None:
        self._write()
        if self.pending != event.event_id:
            raise BrokenInvariant("an event was completed that was not recorded")
        self.events[event.event_id], self.pending = event, None

    def recover(self) -> None:
        self.pending = None

    def _write(self) -> None:
        self.world.sleep(0.01)
        if self.world.facts.disk_full:
            raise JournalError("disk full")


class WatchedPin(MockPWMPin):  # type: ignore[misc]
    """A mock pin that says what it was told. It keeps no list of all its states: they would be millions."""

    def _set_state(self, value: float) -> None:
        super()._set_state(value)
        self.clear_states()
        if value > 0:
            low_ms, high_ms = CONFIG.actuator.pulse_ms
            angle_deg = (value * 20.0 - low_ms) / (high_ms - low_ms) * 180.0 - 90.0
            self.factory.watch(self, angle_deg)


class WatchedFlap:
    """The flap driver, and which movement it was asked for: home, a compartment, or None for going to neutral."""

    def __init__(self, flap: FlapActuator, begins: Callable[[str | None], None]) -> None:
        self.compartments = flap.compartments
        self._flap, self._begins = flap, begins

    def __enter__(self) -> WatchedFlap:
        self._flap.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._begins(None)
        self._flap.__exit__(*exc)

    def home(self, step: Callable[[], None]) -> None:
        self._begins("home")
        self._flap.home(step)

    def deliver(self, compartment: str, step: Callable[[], None]) -> None:
        self._begins(compartment)
        self._flap.deliver(compartment, step)

    def neutral(self) -> None:
        self._begins(None)
        self._flap.neutral()


class SmallBin:
    """Everything that is lost when the program ends; the world and the ledger are handed in."""

    def __init__(self, world: World, ledger: Ledger, on_tilt: Callable[[float], None] = lambda deg: None) -> None:
        self.world, self.ledger, self._on_tilt = world, ledger, on_tilt
        self.live, self.faults = Live(), Faults(world)
        self.pins = MockFactory(pin_class=WatchedPin)
        self.pins.watch = self._judge
        self.flap = WatchedFlap(FlapActuator(CONFIG.actuator, world, self.pins), self._begins)
        self.flap.__enter__()
        world.open_over = self._open_over
        world.fell = self._fell
        self.guard = Guard(self.flap, world, self._safety, move_timeout_s=CONFIG.actuator.move_timeout_s)
        self.oracle = Oracle(world)
        eye = cast(Any, Eye(world))
        routes = {name: name for name in COMPARTMENTS}
        costs = {label: {c: 0.0 if c == label else 0.3 if c == RESIDUAL else 1.0 for c in routes} for label in routes}
        self.sorter = Sorter(
            CONFIG,
            camera=eye,
            watch=eye,
            presence=eye,
            classifier=cast(Any, self.oracle),
            policy=Policy(routes, RESIDUAL, costs, dict.fromkeys(routes, 0.8), 0.0),
            guard=self.guard,
            journal=cast(Any, ledger),
            faults=self.faults,
            live=self.live,
            clock=world,
            boot_id=UUID(int=1),
            beams=cast(Any, {name: Beam(world, name) for name in BEAMS}),
        )
        self.by_hand = False  # a person moves it over the control socket: no item, no event
        self._tilt = self.pins.pin(CONFIG.actuator.tilt_pin)
        self._movement: str | None = None
        self._began_s = 0.0
        self._tilt_deg, self._turn_deg = CONFIG.actuator.closed_deg, 0.0

    def close(self) -> None:
        """The program ends."""
        self.flap.__exit__()
        self.pins.close()

    def _safety(self) -> Safety:
        facts, seen = self.world.facts, self.live.snapshot()
        still = (
            seen.frame is not None
            and seen.observation is not None
            and seen.observation.state is not TrayState.MOTION
            and self.world.monotonic_s() - seen.frame.captured_s <= CONFIG.max_frame_age_s + 1.0 / CONFIG.loop_hz
        )
        return Safety(
            lid_closed=facts.lid_closed,
            estop_released=facts.estop_released,
            hand_clear=facts.opening_clear,
            tray_still=still,
            maintenance=facts.maintenance,
            full=facts.full,
        )

    # -- judging ------------------------------------------------------------------------------------------------

    def _begins(self, movement: str | None) -> None:
        facts, now_s = self.world.facts, self.world.monotonic_s()
        self._movement, self._began_s = movement, now_s
        if movement is None:
            return
        if facts.hand_since_s is not None and now_s - facts.hand_since_s > SEEN_FOR_S:
            raise BrokenInvariant("began to move with a hand in the tray")
        if movement in facts.full:
            raise BrokenInvariant(f"moved to {movement}, which is full")
        if movement != "home" and not self.by_hand and self.ledger.target != movement:
            raise BrokenInvariant("moved to another compartment than the journal has, or before it had one")
        if movement != "home" and not self.by_hand and self.world.looked_s < self.world.answered_s:
            raise BrokenInvariant("moved without a look at the tray after the network's answer")

    def _judge(self, pin: Any, angle_deg: float) -> None:
        """A pulse was sent. Closing the flap is always right; everything else needs every condition."""
        if pin is self._tilt:
            self._tilt_deg = angle_deg
            self._on_tilt(angle_deg)
        else:
            self._turn_deg = angle_deg
        facts, movement = self.world.facts, self._movement
        if movement is None:
            if abs(angle_deg - CONFIG.actuator.closed_deg) > 0.01:
                raise BrokenInvariant("moved though nobody asked it to")
            return
        forbidden = [
            (not facts.lid_closed, "moved with the lid open"),
            (not facts.estop_released, "moved with e-stop pressed"),
            (not facts.opening_clear, "moved with a hand in the opening"),
            (facts.maintenance, "moved in maintenance"),
            (movement != "home" and not self.guard.homed, "moved without being homed"),
            (movement != "home" and bool(self.guard.latched), "moved though a person must look first"),
            (self.world.monotonic_s() - self._began_s > TIME_LIMIT_S, "moved for longer than its time limit"),
        ]
        for broken, what in forbidden:
            if broken:
                raise BrokenInvariant(what)

    def _open_over(self) -> str | None:
        """The compartment into which an item slides now, if the flap is open far enough."""
        config = CONFIG.actuator
        if abs(self._tilt_deg - config.closed_deg) < abs(config.open_deg - config.closed_deg) / 2:
            return None
        return min(COMPARTMENTS, key=lambda name: abs(config.positions[name].turn_deg - self._turn_deg))

    def _fell(self, compartment: str) -> None:
        if not self.by_hand and self.ledger.target != compartment:
            raise BrokenInvariant(f"an item fell into {compartment}, and the journal says {self.ledger.target}")

    def check_rest(self) -> None:
        """Between two steps: the flap is closed, and nobody drives the servos."""
        if abs(self._tilt_deg - CONFIG.actuator.closed_deg) > 0.01:
            raise BrokenInvariant("the flap was left open")
        for pin in (CONFIG.actuator.tilt_pin, CONFIG.actuator.turn_pin):
            if self.pins.pin(pin).frequency is not None:
                raise BrokenInvariant(f"the servo on pin {pin} is still driven")
