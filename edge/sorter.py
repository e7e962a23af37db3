"""The loop: one cycle looks at one frame, and sorts the item when it has lain still for long enough.

camera ─► lookout (presence) ─► classify ─► decide ─► guard ─► delivery ─► journal ─► observers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from edge.delivery import REFUSED_REMEDY, Delivery
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
from edge.errors import CameraError, EngineAway
from edge.faults import Faults
from edge.journal import EventJournal
from edge.live import LastItem, Live
from edge.lookout import Lookout
from edge.observers import Look, SortedItem
from edge.presence import PresenceModel
from edge.sensors.switch import SwitchSensor


class Sorter:
    """Sorts one item at a time. Everything it needs is handed in; it opens and closes nothing.

    observe: given each finished item; must neither block nor fail. paused: whether nothing may be sorted now.
    """

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
        observe: Callable[[SortedItem], None] = lambda item: None,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._config = config
        self._lookout = Lookout(camera, watch, presence, live, clock, max_frame_age_s=config.max_frame_age_s)
        self._classifier = classifier
        self._policy = policy
        self._guard = guard
        self._delivery = Delivery(
            config, guard=guard, lookout=self._lookout, beams=beams or {}, faults=faults, clock=clock
        )
        self._journal = journal
        self._faults = faults
        self._live = live
        self._clock = clock
        self._boot_id = boot_id
        self._observe = observe
        self._paused = paused
        self._waits_for: str | None = None  # the compartment that refuses the item that lies there
        self._looks: list[Look] = []

    def cycle(self) -> SortEvent | None:
        """Look once; returns the event when an item was sorted (or could not be).

        Raises:
            StaleFrame, UnfitFrame: the camera gave nothing new in time, or nothing to go by; nothing was classified.
            CameraError, JournalError: it cannot go on.
        """
        try:
            frame, capture_s = self._lookout.read()
        except CameraError:
            self._looks.clear()  # what lies there afterwards may be another item
            raise
        if not self._lookout.is_new(frame):
            return None
        seen = self._lookout.observe(frame)
        if self._phase(seen) != "sorting" or seen.box is None:
            self._looks.clear()
            return None
        self._looks.append(self._look(frame, seen.box, capture_s))
        if len(self._looks) < self._config.classify.frames:
            return None
        looks, self._looks = self._looks, []
        return self._sort(looks)

    def learn_empty(self) -> None:
        """Take what lies on the tray from the next cycle on for the empty tray. Safe from any thread."""
        self._lookout.learn_empty()

    def use_policy(self, policy: Policy) -> None:
        """Decide by this one from the next item on. Safe from any thread."""
        self._policy = policy

    @property
    def policy(self) -> Policy:
        """By which items are sorted now."""
        return self._policy

    def _look(self, frame: Frame, box: Box, capture_s: float) -> Look:
        """The item with a margin, as photographs show one."""
        return Look(frame, box, box.grown(self._config.classify.crop_margin, frame.rgb.shape[:2]), capture_s)

    def _phase(self, seen: Observation) -> str:
        """What the bin does about what it sees; `sorting`: an item lies still and the mechanism may take it."""
        phase = self._phase_of(seen)
        self._live.update(phase=phase)
        return phase

    def _phase_of(self, seen: Observation) -> str:
        if self._paused():
            return "blocked"  # people may move it meanwhile; nothing moves by itself
        if not self._guard.homed and not self._guard.latched and self._home():
            return "starting"  # what was seen before the movement is old
        if not self._lookout.learnt or seen.state is TrayState.LEARNING:
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
        if not self._delivery.home():
            return False
        if not self._lookout.learnt:
            # The flap may have stood open until now. What was learnt earlier stays: homing was refused then, and what
            # lies on the tray since is an item.
            self._lookout.forget_tray()
        return True

    def _sort(self, looks: Sequence[Look]) -> SortEvent | None:
        """Classify, decide, journal, move, verify, journal again. None when the item did not wait for the answer."""
        newest = looks[-1]
        age_ms = 1000 * (self._clock.monotonic_s() - newest.frame.captured_s)
        watch = Stopwatch(self._clock, capture=sum(look.capture_s for look in looks))
        images = self._classifier.prepare([look.pixels for look in looks])
        watch.lap("preprocess")
        try:
            prediction = self._classifier.predict(images)
        except EngineAway:
            return None  # told as a fault; the item waits on the tray, and is asked again with fresh frames
        watch.lap("infer")
        if self._phase(self._lookout.observe(self._lookout.read()[0])) != "sorting":
            return None  # a hand or a change came while the network ran
        watch.restart()
        policy, safety = self._policy, self._guard.safety()
        decision = decide(prediction, policy, safety.full)
        watch.lap("decide")
        refusals = self._guard.refusals(decision.compartment)
        if refusals:  # its coil must cool, say: the item waits, and is looked at again afterwards
            self._waits_for = decision.compartment
            self._faults.report("motion_refused", "; ".join(refusals), REFUSED_REMEDY)
            return None
        event = self._event(prediction, decision, newest.pixels, age_ms, watch.ms())
        self._journal.record(event)  # before anything moves: a power cut from here on loses nothing
        item = LastItem(event, newest.pixels, newest.crop, _evidence(prediction, decision))
        self._live.update(phase="sorting", last=item)
        watch.restart()
        outcome = self._delivery.deliver(decision.compartment)
        watch.lap("actuate")
        event = replace(event, outcome=outcome, timings_ms=watch.ms())
        self._journal.complete(event)
        self._live.update(phase="waiting", last=replace(item, event=event))
        self._observe(SortedItem(event, tuple(looks), prediction, policy, safety))
        return event

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


def _evidence(prediction: Prediction, decision: Decision) -> NDArray[np.float32]:
    """(h, w) float32: what in the crop speaks for the decision's label."""
    return np.asarray(prediction.class_maps[prediction.labels.index(decision.label)])
