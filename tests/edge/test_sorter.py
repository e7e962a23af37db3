"""The whole loop in simulated time: real footage, real model, real flap driver on mock pins, real journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from edge.actuators.flap import FlapActuator
from edge.actuators.guard import Guard
from edge.actuators.pins import open_pin_factory
from edge.bundle import load_bundle
from edge.camera.condition import ConditionModel
from edge.camera.watch import CameraWatch
from edge.classify import Classifier
from edge.clock import ManualClock
from edge.config import Config, FootageCamera, Switch, load_config
from edge.daemon import SafetyMonitor
from edge.decide import decide, site_policy
from edge.domain import Frame, Outcome, RgbImage, SortEvent
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import StaleFrame
from edge.faults import Faults
from edge.journal import Journal
from edge.live import Live
from edge.observers import SortedItem
from edge.presence import PresenceModel
from edge.sensors.switch import SwitchSensor
from edge.sensors.watch import SensorWatch
from edge.sim.mechanism import SimulatedFlap
from edge.sim.tray import FootageCamera as SimulatedTray
from edge.sorter import Sorter

ROOT = Path(__file__).parents[2]
SIM = ROOT / "configs/edge/sim.yaml"
CHAPTERS = ROOT / "edge/sim/footage/chapters.json"
CYCLES_AN_ITEM = 400  # 27 s at 15 Hz: far more than an item needs


@pytest.fixture(scope="session")
def classifier(bundle_path: Path) -> Iterator[Classifier]:
    bundle = load_bundle(bundle_path)
    with OnnxRuntimeEngine(bundle) as engine:
        yield Classifier(bundle, engine)


@dataclass
class InterruptibleCamera:
    """The simulated tray, with a plug that a test can pull."""

    tray: SimulatedTray
    unplugged: bool = False
    instead: Callable[[], RgbImage | None] = lambda: None

    def read_latest(self, max_age_s: float) -> Frame:
        if self.unplugged:
            raise StaleFrame("the newest frame is 9 s old; asked for 0.5 s")
        frame, instead = self.tray.read_latest(max_age_s), self.instead()
        return frame if instead is None else replace(frame, rgb=instead)

    def __enter__(self) -> InterruptibleCamera:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class Bin:
    """One simulated bin, taken cycle by cycle."""

    def __init__(self, stack: ExitStack, tmp_path: Path, classifier: Classifier, **changes: Any) -> None:
        jam_on = changes.pop("jam_on", [])
        self.config: Config = load_config(SIM).model_copy(
            update={"state_dir": tmp_path, "camera": FootageCamera(type="footage", jam_on=jam_on), **changes}
        )
        self.clock = ManualClock()
        self.live = Live()
        self.faults = Faults(self.clock)
        self.pins = open_pin_factory("mock")
        stack.callback(self.pins.close)
        self.journal = stack.enter_context(Journal(tmp_path / "journal.sqlite", max_events=100))
        flap = stack.enter_context(FlapActuator(self.config.actuator, self.clock, self.pins))
        self.simulated = SimulatedFlap(self.config.actuator, self.clock, self.pins)
        tray = stack.enter_context(
            SimulatedTray(self.config.camera, self.clock, self.simulated.open_over, opening_frames=75)
        )
        self.camera = InterruptibleCamera(tray)
        switches = [SwitchSensor(switch, self.pins, self.clock) for switch in self.config.switches]
        for switch in switches:
            stack.callback(switch.close)
        self.observed: list[SortedItem] = []
        self.safety = SafetyMonitor(
            self.config, self.clock, self.live, switches, SensorWatch(switches, self.faults, self.clock).full
        )
        self.guard = Guard(flap, self.clock, self.safety, move_timeout_s=self.config.actuator.move_timeout_s)
        self.sorter = Sorter(
            self.config,
            camera=self.camera,
            watch=CameraWatch(ConditionModel(self.config.camera_condition, self.config.presence.region), self.faults),
            presence=PresenceModel(self.config.presence),
            classifier=classifier,
            policy=site_policy(self.config.sorting, classifier.bundle.manifest),
            guard=self.guard,
            journal=self.journal,
            faults=self.faults,
            live=self.live,
            clock=self.clock,
            boot_id=UUID(int=1),
            observe=self.observed.append,
        )

    def until_event(self, cycles: int = CYCLES_AN_ITEM) -> SortEvent:
        event = self.run(cycles)
        assert event is not None, f"nothing was sorted in {cycles} cycles; phase {self.live.snapshot().phase}"
        return event

    def run(self, cycles: int) -> SortEvent | None:
        """So many cycles, or fewer when an item was sorted."""
        for _ in range(cycles):
            event = self.sorter.cycle()
            self.clock.advance(1 / self.config.loop_hz)
            if event is not None:
                return event
        return None

    def pulses(self) -> int:
        """How many pulses the flap's servo was told so far."""
        return sum(state.state > 0 for state in self.pins.pin(self.config.actuator.tilt_pin).states)

    def fault_codes(self) -> list[str]:
        return [fault.code for fault in self.faults.standing()]


@pytest.fixture
def make_bin(tmp_path: Path, classifier: Classifier) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda **changes: Bin(stack, tmp_path, classifier, **changes)


def test_every_item_of_the_footage_is_sorted_once_and_confirmed(make_bin: Any) -> None:
    bin_ = make_bin()
    shown, events = [], []
    for _ in range(8):
        events.append(bin_.until_event())
        shown.append(bin_.live.snapshot().last.event.event_id)
    assert [event.seq for event in events] == list(range(1, 9))
    assert {event.outcome for event in events} == {Outcome.CONFIRMED}
    assert len(set(shown)) == 8
    assert sum(bin_.journal.counts().values()) == 8
    for event in events:
        assert len(event.top3) == 3
        assert set(event.timings_ms) == {"capture", "preprocess", "infer", "decide", "actuate"}
        assert event.timings_ms["actuate"] > 500, "simulated servos take their time too"
        assert event.decision.compartment in bin_.config.actuator.positions
    assert bin_.fault_codes() == []


def test_what_observes_gets_each_finished_item_with_all_that_its_decision_was_made_from(
    make_bin: Any, classifier: Classifier
) -> None:
    bin_ = make_bin(switches=[Switch(role="full", pin=5, compartment="glass", debounce_s=0)])
    event = bin_.until_event()
    [item] = bin_.observed
    assert item.event is event and event.outcome is Outcome.CONFIRMED
    assert len(item.looks) == bin_.config.classify.frames
    assert item.safety.full == {"glass"} and item.safety.active == ("full of glass (pin 5)",)
    again = classifier.predict(classifier.prepare([look.pixels for look in item.looks]))
    np.testing.assert_array_equal(again.probabilities, item.prediction.probabilities)
    policy = site_policy(bin_.config.sorting, classifier.bundle.manifest)
    assert decide(item.prediction, policy, item.safety.full) == event.decision


def test_the_model_recognises_most_items_of_the_footage(make_bin: Any, classifier: Classifier) -> None:
    bin_ = make_bin()
    truth = {item["name"]: item["label"] for item in json.loads(CHAPTERS.read_text())["items"]}
    assert set(truth.values()) == set(classifier.bundle.manifest.labels), "at least one item of each class"
    right = []
    for _ in truth:
        shown = bin_.camera.tray.showing
        while shown is None:
            assert bin_.run(1) is None
            shown = bin_.camera.tray.showing
        event = bin_.until_event()
        right.append(event.top3[0].label == truth[shown])
        while bin_.camera.tray.showing == shown:
            assert bin_.run(1) is None
    assert sum(right) >= 9, f"README says ten of {len(truth)}; on another processor one more may fall otherwise"


def test_the_event_is_journalled_before_anything_moves(make_bin: Any) -> None:
    bin_ = make_bin()
    seen: list[tuple[int, int]] = []
    record = bin_.journal.record

    def recording(event: SortEvent) -> None:
        assert event.outcome is Outcome.PENDING
        record(event)
        seen.append((bin_.journal.next_seq(), bin_.pulses()))

    bin_.journal.record = recording
    bin_.run(3)
    pulses_of_homing = bin_.pulses()
    bin_.until_event()
    [(next_seq, pulses_when_recorded)] = seen
    assert next_seq == 2, "the journal holds the event"
    assert pulses_of_homing == pulses_when_recorded < bin_.pulses(), "and the flap moved only afterwards"


def test_an_item_that_stays_is_tried_once_more_and_then_is_a_jam_that_stops_the_bin(make_bin: Any) -> None:
    bin_ = make_bin(jam_on=["residual", "glass", "metal", "paper", "plastic"])
    openings = 0
    deliver = bin_.guard.deliver

    def counting(compartment: str, watch: Any) -> None:
        nonlocal openings
        openings += 1
        deliver(compartment, watch)

    bin_.guard.deliver = counting
    event = bin_.until_event()
    assert event.outcome is Outcome.JAMMED
    assert openings == 2
    assert "jam" in bin_.fault_codes()
    still = bin_.pulses()
    assert bin_.run(200) is None
    assert bin_.pulses() == still, "nothing moves until a person has acknowledged"
    assert bin_.live.snapshot().phase == "blocked"
    assert "motion_refused" in bin_.fault_codes()
    assert bin_.journal.counts() == {}


def test_after_a_jam_an_acknowledgement_homes_the_flap_and_sorting_goes_on(make_bin: Any) -> None:
    bin_ = make_bin(jam_on=["residual", "glass", "metal", "paper", "plastic"])
    assert bin_.until_event().outcome is Outcome.JAMMED
    bin_.config.camera.jam_on.clear()
    bin_.guard.acknowledge()
    bin_.faults.clear("jam")
    assert bin_.until_event().outcome is Outcome.CONFIRMED
    assert bin_.fault_codes() == []


def test_a_stale_frame_is_never_classified_and_sorting_goes_on_afterwards(make_bin: Any) -> None:
    bin_ = make_bin()
    bin_.until_event()
    bin_.camera.unplugged = True
    for _ in range(50):
        with pytest.raises(StaleFrame):
            bin_.sorter.cycle()
        bin_.clock.advance(0.1)
    assert not bin_.safety().tray_still, "what was seen before is no longer taken for true"
    bin_.camera.unplugged = False
    assert bin_.until_event().seq == 2


def test_an_open_lid_keeps_the_item_waiting_and_says_so(make_bin: Any) -> None:
    lid = Switch(role="lid", pin=5, debounce_s=0)
    bin_ = make_bin(switches=[lid])
    bin_.pins.pin(5).drive_low()  # closed
    bin_.until_event()
    bin_.pins.pin(5).drive_high()
    still = bin_.pulses()
    assert bin_.run(CYCLES_AN_ITEM) is None
    assert bin_.pulses() == still
    assert [fault.message for fault in bin_.faults.standing()] == ["the lid is open"]
    bin_.pins.pin(5).drive_low()
    assert bin_.until_event().outcome is Outcome.CONFIRMED
    assert bin_.fault_codes() == []


def test_nothing_moves_in_maintenance(make_bin: Any) -> None:
    bin_ = make_bin()
    bin_.safety.maintenance = True
    assert bin_.run(CYCLES_AN_ITEM) is None
    assert bin_.pulses() == 0


def test_an_item_that_came_while_homing_was_refused_is_not_taken_for_the_tray(make_bin: Any) -> None:
    bin_ = make_bin()
    bin_.safety.maintenance = True
    assert bin_.run(CYCLES_AN_ITEM) is None
    assert bin_.live.snapshot().phase == "blocked", "an item lies there, and the flap was never homed"
    bin_.safety.maintenance = False
    assert bin_.until_event().outcome is Outcome.CONFIRMED


def test_a_flap_that_stood_open_at_the_start_is_not_taken_for_an_item(make_bin: Any) -> None:
    bin_ = make_bin()
    chute = np.full((384, 512, 3), 25, np.uint8)
    bin_.camera.instead = lambda: None if bin_.pulses() else chute
    assert bin_.until_event().outcome is Outcome.CONFIRMED


def test_an_item_for_a_full_compartment_goes_to_residual(make_bin: Any) -> None:
    names = ("glass", "metal", "paper", "plastic")
    full = [Switch(role="full", pin=pin, compartment=name, debounce_s=0) for pin, name in enumerate(names, 5)]
    bin_ = make_bin(switches=full)  # nothing pulls the pins low: every switch says full
    for _ in range(8):
        event = bin_.until_event()
        assert event.decision.compartment == "residual"
        if event.decision.reason.value == "FULL":
            break
    else:
        pytest.fail("no item was sure enough to be refused by a full compartment")
    assert event.outcome is Outcome.CONFIRMED


def test_a_full_residual_compartment_stops_the_bin_because_anything_may_have_to_go_there(make_bin: Any) -> None:
    bin_ = make_bin(switches=[Switch(role="full", pin=5, compartment="residual", debounce_s=0)])
    assert bin_.run(CYCLES_AN_ITEM) is None
    assert [fault.message for fault in bin_.faults.standing()] == ["compartment residual is full"]


def test_an_item_that_does_not_wait_for_the_answer_is_no_event(make_bin: Any) -> None:
    bin_ = make_bin()
    predict, asked = bin_.sorter._classifier.predict, list[int]()
    empty = bin_.camera.read_latest(1.0).rgb

    class Slow:
        """The classifier, and somebody who takes the item away while it runs."""

        bundle = bin_.sorter._classifier.bundle
        engine_name = "slow"
        away = staticmethod(bin_.sorter._classifier.away)
        prepare = staticmethod(bin_.sorter._classifier.prepare)

        def predict(self, images: Any) -> Any:
            asked.append(bin_.pulses())
            bin_.camera.instead = lambda: empty
            return predict(images)

    bin_.sorter._classifier = Slow()
    for _ in range(CYCLES_AN_ITEM):
        assert bin_.run(1) is None
        if asked:
            break
    assert asked == [bin_.pulses()], "it was asked, and nothing moved afterwards"
    assert bin_.journal.next_seq() == 1
