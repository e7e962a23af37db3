"""The daemon: runs the sorter's cycles at a rate, tells what happened, and stops cleanly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from edge import __version__
from edge.actuators.guard import Guard, Safety
from edge.camera.lamp import Lamp
from edge.captures.store import CaptureStore
from edge.classify import Classifier
from edge.config import Config, Sorting
from edge.decide import Policy
from edge.domain import Chore, Clock, SortEvent, TrayState
from edge.errors import CameraEnded, StaleFrame, UnfitFrame
from edge.faults import Faults
from edge.journal import EventJournal
from edge.live import Live
from edge.mqtt.client import MqttPublisher
from edge.observers import Observers
from edge.payloads import FaultPayload, StatePayload, VersionsPayload
from edge.recent import Recent
from edge.recording import Recorder
from edge.requests.arming import Arming
from edge.sensors.fill import FillMonitor
from edge.sensors.switch import SwitchSensor
from edge.settings import Mode, Settings
from edge.sorter import Sorter
from edge.trend import Trend

DRAIN_S = 5.0
"""How long a stopping bin waits for the broker to acknowledge."""
STILL_STATES = (TrayState.LEARNING, TrayState.EMPTY, TrayState.SETTLING, TrayState.STILL)
"""What the tray looks like when no hand and no motion is in it."""


class SafetyMonitor:
    """Puts together what the guard asks for: switches, the camera's view of the tray, the mode."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        live: Live,
        switches: Iterable[SwitchSensor],
        full: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._config = config
        self._clock = clock
        self._live = live
        self.switches = tuple(switches)
        self._full = full
        self.maintenance = False
        self.paused = False  # nothing is sorted; what people ask for moves all the same

    def __call__(self) -> Safety:
        active = [switch for switch in self.switches if switch.active()]
        roles = {switch.config.role for switch in active}
        return Safety(
            lid_closed="lid" not in roles,
            estop_released="estop" not in roles,
            hand_clear="hand" not in roles,
            tray_still=self._tray_still(),
            maintenance=self.maintenance,
            full=self._full(),
            active=tuple(switch.name for switch in active),
        )

    def _tray_still(self) -> bool:
        seen = self._live.snapshot()
        if seen.frame is None or seen.observation is None or seen.observation.state not in STILL_STATES:
            return False
        # What was seen must still be true: one cycle may pass between a frame's refusal age and the question.
        oldest_s = self._config.max_frame_age_s + 1.0 / self._config.loop_hz
        return self._clock.monotonic_s() - seen.frame.captured_s <= oldest_s


class Daemon:
    """One running bin. `edge.build.open_daemon` puts it together and takes it apart."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        sorter: Sorter,
        guard: Guard,
        safety: SafetyMonitor,
        classifier: Classifier,
        journal: EventJournal,
        publisher: MqttPublisher,
        faults: Faults,
        live: Live,
        observers: Observers,
        recorder: Recorder | None,
        captures: CaptureStore,
        fill: FillMonitor,
        lamp: Lamp | None,
        recent: Recent,
        trend: Trend,
        stop: threading.Event,
        chores: Sequence[Chore] = (),
        settings: Settings,
        given: Config | None = None,
    ) -> None:
        self.config = config
        self.given = given or config  # as the config file says, without what was set up
        self.publisher = publisher
        self.journal = journal
        self.faults = faults
        self.classifier = classifier
        self.clock = clock
        self.sorter = sorter
        self.guard = guard
        self.safety = safety
        self.live = live
        self.observers = observers
        self.settings = settings
        self.recorder = recorder
        self.captures = captures
        self.fill = fill
        self.lamp = lamp
        self.arming = Arming(clock)
        self.recent = recent
        self.trend = trend
        self._stop = stop
        self.restarting = False  # it ends for systemd to start it again
        self._chores = (*chores, observers)
        self._told: StatePayload | None = None
        self._dropped_before = journal.dropped
        self.started_s = clock.monotonic_s()
        live.on_phase = self._tell_state  # so that `sorting` is told while it lasts

    def run(self, *, max_items: int | None = None, on_event: Callable[[SortEvent], None] = lambda event: None) -> int:
        """Cycle until `stop` is set, the camera ends, or `max_items` events happened; returns how many did."""
        items = 0
        while not self._stop.is_set() and (max_items is None or items < max_items):
            started_s = self.clock.monotonic_s()
            try:
                event = self._cycle()
            except CameraEnded:
                break
            if event is not None:
                items += 1
                self.publisher.wake()
                self._tell_losses()
                on_event(event)
            for chore in self._chores:
                chore.tend()
            self._tell_state()
            self.clock.sleep(started_s + 1.0 / self.config.loop_hz - self.clock.monotonic_s())
        self.live.update(phase="stopped")
        self._tell_state()
        return items

    def _cycle(self) -> SortEvent | None:
        try:
            event = self.sorter.cycle()
        except StaleFrame as error:
            self.live.update(observation=None)  # what was seen before is no longer known to be true
            self.faults.report(
                "camera_stale", str(error), "check the camera's cable and power; it is reopened by itself"
            )
            return None
        except UnfitFrame:
            event = None  # fresh, and what is wrong with it stands as a fault already
        self.faults.clear("camera_stale")
        return event

    def _tell_losses(self) -> None:
        """The journal is bounded: say when it had to delete events that the broker never had."""
        lost = self.journal.dropped - self._dropped_before
        if lost:
            self.faults.report(
                "events_dropped",
                f"{lost} events were deleted before the broker had them; journal.max_events is "
                f"{self.config.journal.max_events}, journal.max_in_memory {self.config.journal.max_in_memory}",
                "bring the broker back, and the disk if journal_failed stands; raise the limits if there is room",
            )

    def _tell_state(self) -> None:
        state = self.state()
        if state != self._told:
            self.publisher.set_state(state)
            self._told = state

    def end_for_restart(self) -> None:
        """End `run` after this cycle. For edge/restart.py, which says when."""
        self.restarting = True
        self._stop.set()

    def finish(self) -> int:
        """Give the broker a last chance to take what is left; returns how many events it did not. They are kept."""
        return self.publisher.drain(DRAIN_S)

    def add_chore(self, chore: Chore) -> None:
        """One more, that needs the daemon to be made."""
        self._chores = (*self._chores, chore)

    def use_sorting(self, sorting: Sorting, policy: Policy) -> None:
        """Decide so from the next item on. Safe from any thread."""
        self.config = self.config.model_copy(update={"sorting": sorting})
        self.sorter.use_policy(policy)
        if self.recorder is not None:
            self.recorder.use_sorting(sorting)

    @property
    def min_probability(self) -> float:
        """What raises the model's thresholds: as it was set last, else as the config says."""
        kept = self.settings.now.min_probability
        return self.config.sorting.min_probability if kept is None else kept

    def state(self) -> StatePayload:
        """What `state` publishes."""
        mode: Mode = "maintenance" if self.safety.maintenance else "paused" if self.safety.paused else "auto"
        kept = self.settings.now
        return StatePayload(
            phase=self.live.snapshot().phase,
            mode=mode,
            faults=[
                FaultPayload(code=fault.code, since=fault.since, message=fault.message, remedy=fault.remedy)
                for fault in self.faults.standing()
            ],
            versions=VersionsPayload(program=__version__, model=self.classifier.bundle.manifest.version),
            engine=self.classifier.engine_name,
            site=self.config.site,
            residual=self.config.sorting.residual,
            min_probability=self.min_probability,
            emptied=dict(kept.emptied),
        )
