"""The daemon: runs the sorter's cycles at a rate, tells what happened, and stops cleanly."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable
from typing import Any, Literal

from edge import __version__
from edge.actuators.guard import Guard, Safety
from edge.bundle import decode
from edge.classify import Classifier
from edge.config import Config
from edge.control import ClassifyResponse, StatusResponse, view_response
from edge.decide import decide, plain_policy
from edge.domain import Clock, SortEvent, TrayState
from edge.errors import CameraEnded, ControlError, StaleFrame
from edge.faults import Faults
from edge.journal import Journal
from edge.live import Live
from edge.mqtt.client import MqttPublisher
from edge.payloads import FaultPayload, StatePayload, TopPayload, VersionsPayload
from edge.sensors.switch import SwitchSensor
from edge.sorter import Sorter

DRAIN_S = 5.0
"""How long a stopping bin waits for the broker to acknowledge."""
STILL_STATES = (TrayState.EMPTY, TrayState.SETTLING, TrayState.STILL)
"""What the tray looks like when no hand and no motion is in it."""


class SafetyMonitor:
    """Puts together what the guard asks for: switches, the camera's view of the tray, the mode."""

    def __init__(self, config: Config, clock: Clock, live: Live, switches: Iterable[SwitchSensor]) -> None:
        self._config = config
        self._clock = clock
        self._live = live
        self._switches = tuple(switches)
        self.maintenance = False

    def __call__(self) -> Safety:
        active = [switch.config for switch in self._switches if switch.active()]
        roles = {switch.role for switch in active}
        return Safety(
            lid_closed="lid" not in roles,
            estop_released="estop" not in roles,
            tray_still=self._tray_still(),
            maintenance=self.maintenance,
            full=frozenset(switch.compartment for switch in active if switch.compartment is not None),
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
        journal: Journal,
        publisher: MqttPublisher,
        faults: Faults,
        live: Live,
        stop: threading.Event,
    ) -> None:
        self.config = config
        self.publisher = publisher
        self.journal = journal
        self.faults = faults
        self.classifier = classifier
        self._clock = clock
        self._sorter = sorter
        self._guard = guard
        self._safety = safety
        self._live = live
        self._stop = stop
        self._started_s = clock.monotonic_s()

    def run(self, *, max_items: int | None = None, on_event: Callable[[SortEvent], None] = lambda event: None) -> int:
        """Cycle until `stop` is set, the camera ends, or `max_items` events happened; returns how many did."""
        items = 0
        while not self._stop.is_set() and (max_items is None or items < max_items):
            started_s = self._clock.monotonic_s()
            try:
                event = self._cycle()
            except CameraEnded:
                break
            if event is not None:
                items += 1
                self.publisher.wake()
                on_event(event)
            self.publisher.set_state(self.state())
            self._clock.sleep(started_s + 1.0 / self.config.loop_hz - self._clock.monotonic_s())
        self._live.update(phase="stopped")
        self.publisher.set_state(self.state())
        return items

    def _cycle(self) -> SortEvent | None:
        try:
            event = self._sorter.cycle()
        except StaleFrame as error:
            self._live.update(observation=None)  # what was seen before is no longer known to be true
            self.faults.report("camera_stale", str(error), "check the camera's cable and power; it is reopened by itself")
            return None
        self.faults.clear("camera_stale")
        return event

    def finish(self) -> int:
        """Give the broker a last chance to take what is left; returns how many events it did not. They are kept."""
        return self.publisher.drain(DRAIN_S)

    def state(self) -> StatePayload:
        """What `state` publishes."""
        mode: Literal["auto", "maintenance"] = "maintenance" if self._safety.maintenance else "auto"
        return StatePayload(
            phase=self._live.snapshot().phase,
            mode=mode,
            faults=[
                FaultPayload(code=fault.code, since=fault.since, message=fault.message, remedy=fault.remedy)
                for fault in self.faults.standing()
            ],
            versions=VersionsPayload(program=__version__, model=self.classifier.bundle.manifest.version),
            engine=self.classifier.engine_name,
        )

    # -- the control socket's commands; each takes the request's arguments and returns the result -------------------

    def commands(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """What the console and `python -m edge ctl` may ask. None of them goes round the guard."""
        return {
            "status": self._status,
            "view": lambda _: view_response(self._live, self._clock),
            "classify": self._classify,
            "home": lambda _: self._home(),
            "acknowledge": lambda _: self._acknowledge(),
            "maintenance": self._maintenance,
            "learn_empty": lambda _: self._learn_empty(),
        }

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return StatusResponse(
            state=self.state(),
            outbox=self.journal.depth(),
            counts=self.journal.counts(),
            broker="connected" if self.publisher.connected else "down",
            uptime_s=self._clock.monotonic_s() - self._started_s,
            bin_id=self.config.bin_id,
        ).model_dump(mode="json", by_alias=True)

    def _classify(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            encoded = base64.b64decode(request["image"], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise ControlError(f"classify needs image, the file's bytes in base64 ({error})") from None
        picture = decode(encoded, name=str(request.get("name", "the picture")))
        prediction = self.classifier.predict(self.classifier.prepare([picture]))
        decision = decide(prediction, plain_policy(self.classifier.bundle.manifest))
        return ClassifyResponse(
            top3=[TopPayload(label=label, p=p) for label, p in prediction.top3],
            novelty=prediction.novelty,
            accepted=decision.accepted,
            reason=decision.reason.value,
            evidence=prediction.class_maps[prediction.labels.index(decision.label)].tolist(),
            latency_ms=1000 * prediction.latency_s,
        ).model_dump(mode="json", by_alias=True)

    def _home(self) -> dict[str, Any]:
        self._guard.home()
        return {}

    def _acknowledge(self) -> dict[str, Any]:
        self._guard.acknowledge()
        for code in ("jam", "stall", "motion_refused"):
            self.faults.clear(code)
        return {}

    def _maintenance(self, request: dict[str, Any]) -> dict[str, Any]:
        on = request.get("on")
        if not isinstance(on, bool):
            raise ControlError(f"maintenance needs on: true or false, found {on!r}")
        self._safety.maintenance = on
        return {}

    def _learn_empty(self) -> dict[str, Any]:
        self._sorter.learn_empty()
        return {}
