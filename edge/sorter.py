"""The loop: one cycle looks at one frame, and sorts the item when it has lain still for long enough.

camera ─► presence ─► classify ─► decide ─► guard ─► actuator ─► verify ─► journal
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID, uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.actuators.guard import Guard
from edge.camera.watch import CameraWatch
from edge.classify import Classifier
from edge.clock import Stopwatch
from edge.config import Config
from edge.decide import Policy, decide
from edge.domain import (
    Box,
    Camera,
    Clock,
    Decision,
    Frame,
    Observation,
    Outcome,
    Prediction,
    RgbImage,
    SortEvent,
    TrayState,
)
from edge.errors import (
    CameraError,
    EngineAway,
    HardwareError,
    HomeLost,
    MotionInterrupted,
    MotionRefused,
    MotionStalled,
    UnfitFrame,
)
from edge.faults import Faults
from edge.journal import EventJournal
from edge.live import LastItem, Live
from edge.presence import PresenceModel
from edge.sensors.switch import SwitchSensor

EMPTY_FRAMES = 2
"""So many frames in a row must show the tray empty: one may have caught the item in mid-air."""

BEAM_S = 1.0
"""An item that has left the tray passes the beam within this."""

REFUSED_REMEDY = "make the condition true that the message names; the item is sorted by itself afterwards"
STALL_REMEDY = "clear the mechanism, then: python -m edge ctl acknowledge"
JAM_REMEDY = (
    "take the item out; where nothing moved, check the servos' own supply; then: python -m edge ctl acknowledge"
)
LOST_REMEDY = (
    "look into the chute and beside the compartment, check the beam's alignment and wires, "
    "then: python -m edge ctl acknowledge"
)
HOME_REMEDY = "see that nothing blocks it, check what the message names, then: python -m edge ctl acknowledge"
MECHANISM_REMEDY = "check what the message names, then: python -m edge ctl acknowledge"


class Look(NamedTuple):
    """One frame of a still item. capture_s: seconds spent waiting for the camera."""

    frame: Frame
    box: Box
    capture_s: float


class Sorter:
    """Sorts one item at a time. Everything it needs is handed in; it opens and closes nothing."""

    def __init__(
        self,
        config: Config,
        *,
        camera: Camera,
        watch: CameraWatch,
        presence: PresenceModel,
        classifier: Classifier,
        policy: Policy,
        guard: Guard,
        journal: EventJournal,
        faults: Faults,
        live: Live,
        clock: Clock,
        boot_id: UUID,
        beams: Mapping[str, SwitchSensor] | None = None,
    ) -> None:
        self._config = config
        self._camera = camera
        self._watch = watch
        self._presence = presence
        self._classifier = classifier
        self._policy = policy
        self._guard = guard
        self._journal = journal
        self._faults = faults
        self._live = live
        self._clock = clock
        self._boot_id = boot_id
        self._beams = beams or {}
        self._empty_frames, self._emptied = 0, False  # in a row; and whether the tray was seen empty since a movement
        self._waits_for: str | None = None  # the compartment that refuses the item that lies there
        self._looks: list[Look] = []
        self._last_seq = -1
        self._relearn = threading.Event()

    def cycle(self) -> SortEvent | None:
        """Look once; returns the event when an item was sorted (or could not be).

        Raises:
            StaleFrame, UnfitFrame: the camera gave nothing new in time, or nothing to go by; nothing was classified.
            CameraError, JournalError: it cannot go on.
        """
        try:
            frame, capture_s = self._read()
        except CameraError:
            self._looks.clear()  # what lies there afterwards may be another item
            raise
        if frame.seq == self._last_seq:
            return None
        seen = self._observe(frame)
        if self._phase(seen) != "sorting" or seen.box is None:
            self._looks.clear()
            return None
        self._looks.append(Look(frame, seen.box, capture_s))
        if len(self._looks) < self._config.classify.frames:
            return None
        looks, self._looks = self._looks, []
        return self._sort(looks)

    def learn_empty(self) -> None:
        """Take what lies on the tray from the next cycle on for the empty tray. Safe from any thread."""
        self._relearn.set()

    # -- looking ------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[Frame, float]:
        started_s = self._clock.monotonic_s()
        frame = self._camera.read_latest(self._config.max_frame_age_s)
        capture_s = self._clock.monotonic_s() - started_s
        if self._relearn.is_set():
            self._relearn.clear()
            self._presence.forget()
            self._watch.forget()
        try:
            self._watch.check(frame)
        except UnfitFrame:
            self._live.update(frame=frame, observation=None)  # shown, but nothing is known from it
            raise
        return frame, capture_s

    def _observe(self, frame: Frame) -> Observation:
        self._last_seq = frame.seq
        seen = self._presence.observe(frame)
        self._empty_frames = self._empty_frames + 1 if seen.state is TrayState.EMPTY else 0
        self._emptied = self._emptied or self._empty_frames >= EMPTY_FRAMES
        if seen.state is TrayState.EMPTY:
            self._watch.learn(frame)
        self._live.update(frame=frame, observation=seen)
        return seen

    def _look_on(self) -> None:
        """While the mechanism moves, and until the tray is seen empty: keep the view live."""
        try:
            frame, _ = self._read()
        except CameraError:
            self._empty_frames = 0  # what is not seen is not confirmed; the loop meets the error again, and says so
            return
        if frame.seq != self._last_seq:
            self._observe(frame)

    def _phase(self, seen: Observation) -> str:
        """What the bin does about what it sees; `sorting`: an item lies still and the mechanism may take it."""
        phase = self._phase_of(seen)
        self._live.update(phase=phase)
        return phase

    def _phase_of(self, seen: Observation) -> str:
        if not self._guard.homed and not self._guard.latched and self._home():
            return "starting"  # what was seen before the movement is old
        if not self._presence.learnt or seen.state is TrayState.LEARNING:
            return "starting"
        if seen.state is TrayState.EMPTY:
            self._waits_for = None
        refusals = self._guard.refusals(self._waits_for or self._policy.residual)
        if not refusals:
            self._faults.clear("motion_refused")
        if seen.state is not TrayState.STILL:
            return "waiting" if seen.state is TrayState.EMPTY else "looking"
        if refusals:
            self._faults.report("motion_refused", "; ".join(refusals), REFUSED_REMEDY)
            return "blocked"
        return "sorting" if self._classifier.away() is None else "blocked"

    def _home(self) -> bool:
        """Home the mechanism; False when it could not be, for which the guard knows the reason."""
        try:
            self._guard.home(self._look_on)
        except (MotionRefused, MotionInterrupted):
            return False  # the next cycle tries again
        except HardwareError as error:
            self._report_failed(error)
            return False
        if not self._presence.learnt:
            # The flap may have stood open until now. What was learnt earlier stays: homing was refused then, and what
            # lies on the tray since is an item.
            self._presence.forget()
        return True

    # -- sorting ------------------------------------------------------------------------------------------------

    def _sort(self, looks: Sequence[Look]) -> SortEvent | None:
        """Classify, decide, journal, move, verify, journal again. None when the item did not wait for the answer."""
        age_ms = 1000 * (self._clock.monotonic_s() - looks[-1].frame.captured_s)
        watch = Stopwatch(self._clock, capture=sum(look.capture_s for look in looks))
        boxes = [self._crop_box(look) for look in looks]
        crops = [box.cut(look.frame.rgb) for box, look in zip(boxes, looks, strict=True)]
        images = self._classifier.prepare(crops)
        watch.lap("preprocess")
        try:
            prediction = self._classifier.predict(images)
        except EngineAway:
            return None  # told as a fault; the item waits on the tray, and is asked again with fresh frames
        watch.lap("infer")
        if self._phase(self._observe(self._read()[0])) != "sorting":
            return None  # a hand or a change came while the network ran
        watch.restart()
        decision = decide(prediction, self._policy, self._guard.full())
        watch.lap("decide")
        refusals = self._guard.refusals(decision.compartment)
        if refusals:  # its coil must cool, say: the item waits, and is looked at again afterwards
            self._waits_for = decision.compartment
            self._faults.report("motion_refused", "; ".join(refusals), REFUSED_REMEDY)
            return None
        event = self._event(prediction, decision, crops[-1], age_ms, watch.ms())
        self._journal.record(event)  # before anything moves: a power cut from here on loses nothing
        item = LastItem(event, crops[-1], boxes[-1], _evidence(prediction, decision))
        self._live.update(phase="sorting", last=item)
        watch.restart()
        outcome = self._deliver(decision)
        watch.lap("actuate")
        event = replace(event, outcome=outcome, timings_ms=watch.ms())
        self._journal.complete(event)
        self._live.update(phase="waiting", last=replace(item, event=event))
        return event

    def _crop_box(self, look: Look) -> Box:
        """The item with a margin, as photographs show one."""
        return look.box.grown(self._config.classify.crop_margin, look.frame.rgb.shape[:2])

    def _event(
        self, prediction: Prediction, decision: Decision, crop: RgbImage, age_ms: float, timings_ms: dict[str, float]
    ) -> SortEvent:
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        return SortEvent(
            event_id=uuid4(),
            boot_id=self._boot_id,
            seq=self._journal.next_seq(),
            at=self._clock.utc(),
            clock_synced=self._clock.synced(),
            top3=prediction.top3,
            novelty=prediction.novelty,
            decision=decision,
            outcome=Outcome.PENDING,
            engine=prediction.engine,
            model=self._classifier.bundle.model_id,
            timings_ms=timings_ms,
            frame_age_ms=age_ms,
            sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
            luma=float(grey.mean()),
        )

    def _deliver(self, decision: Decision) -> Outcome:
        """Move, and look whether the item is gone; once more when it is not."""
        started_s = self._clock.monotonic_s()
        for attempt in (1, 2):
            self._empty_frames, self._emptied = 0, False
            try:
                self._guard.deliver(decision.compartment, self._look_on)
            except MotionRefused as error:
                if attempt == 1:
                    self._faults.report("motion_refused", str(error), REFUSED_REMEDY)
                    return Outcome.REFUSED
                break
            except MotionInterrupted:
                return Outcome.INTERRUPTED
            except HardwareError as error:
                self._report_failed(error)
                return Outcome.STALLED
            if self._tray_empties():
                return self._confirm(decision.compartment, started_s)
        what = f"an item for {decision.compartment} still lies on the tray after the mechanism moved for it"
        self._guard.confirmation_missed(what)
        self._faults.report("jam", what, JAM_REMEDY)
        return Outcome.JAMMED

    def _confirm(self, compartment: str, started_s: float) -> Outcome:
        """The tray is empty. Where the chute has a beam, it must have been broken since the movement began."""
        beam = self._beams.get(compartment)
        until_s = self._clock.monotonic_s() + BEAM_S
        while beam is not None and not beam.active_since(started_s):
            if self._clock.monotonic_s() >= until_s:
                what = f"an item for {compartment} left the tray and never passed the beam of its chute"
                self._guard.confirmation_missed(what)
                self._faults.report("lost_item", what, LOST_REMEDY)
                return Outcome.LOST
            self._clock.sleep(1.0 / self._config.loop_hz)
        return Outcome.CONFIRMED

    def _report_failed(self, error: HardwareError) -> None:
        """A movement failed; the guard has latched, and a person must acknowledge."""
        if isinstance(error, MotionStalled):
            self._faults.report("stall", str(error), STALL_REMEDY)
        elif isinstance(error, HomeLost):
            self._faults.report("home_lost", str(error), HOME_REMEDY)
        else:
            self._faults.report("mechanism_failed", str(error), MECHANISM_REMEDY)

    def _tray_empties(self) -> bool:
        """Watch the tray until it is empty; False when it is not within the time allowed.

        A mechanism may still turn back when the tray is seen empty, and the next item lie there when it has.
        """
        until_s = self._clock.monotonic_s() + self._config.verify_timeout_s
        while not self._emptied and self._clock.monotonic_s() < until_s:
            self._look_on()
            self._clock.sleep(1.0 / self._config.loop_hz)
        return self._emptied


def _evidence(prediction: Prediction, decision: Decision) -> NDArray[np.float32]:
    """(h, w) float32: what in the crop speaks for the decision's label."""
    return np.asarray(prediction.class_maps[prediction.labels.index(decision.label)])
