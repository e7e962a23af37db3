"""What the commands do. Each runs on its caller's thread; whatever moves goes through the guard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from edge.daemon import Daemon
from edge.decide import Policy
from edge.delivery import report_failed
from edge.diagnose import EVENTS, diagnose
from edge.errors import CommandError, HardwareError, MotionInterrupted, MotionRefused
from edge.fault_table import ACKNOWLEDGED
from edge.payloads import (
    Arguments,
    ArmArguments,
    CompartmentArguments,
    SetModeArguments,
    SetThresholdArguments,
    SwitchModelArguments,
    UpdateArguments,
)
from edge.requests.registry import Action
from edge.requests.self_test import self_test
from edge.requests.snapshot import keep_snapshot
from edge.settings import Mode
from edge.update.updater import Updater

Result = dict[str, Any]


class Actions:
    """The daemon's side of the commands. policy: the site's, with a threshold."""

    def __init__(self, daemon: Daemon, policy: Callable[[float], Policy], updater: Updater) -> None:
        self._daemon, self._policy, self._updater = daemon, policy, updater
        self._use_settings()

    def by_name(self) -> dict[str, Action]:
        """For the registry."""
        actions: tuple[Action, ...] = (
            self.pause, self.resume, self.set_mode, self.set_threshold, self.home, self.arm, self.jog,
            self.acknowledge, self.learn_empty, self.emptied, self.self_test, self.capture, self.diagnose,
            self.update, self.switch_model, self.rollback,
        )  # fmt: skip
        return {action.__name__: action for action in actions}

    def pause(self, _: Arguments) -> Result:
        return self._enter("paused")

    def resume(self, _: Arguments) -> Result:
        return self._enter("auto")

    def set_mode(self, arguments: SetModeArguments) -> Result:
        return self._enter(arguments.mode)

    def set_threshold(self, arguments: SetThresholdArguments) -> Result:
        daemon = self._daemon
        try:
            daemon.settings.set_min_probability(arguments.min_probability)
        finally:  # it holds now, whatever the disk says
            daemon.sorter.use_policy(self._policy(daemon.min_probability))
        return {"min_probability": daemon.min_probability}

    def home(self, _: Arguments) -> Result:
        self._move(self._daemon.guard.home)
        return {}

    def arm(self, arguments: ArmArguments) -> Result:
        self._check_paused("arm")
        self._daemon.arming.arm(arguments.for_s)
        return {"armed_s": arguments.for_s}

    def jog(self, arguments: CompartmentArguments) -> Result:
        """As for an item; one that lies on the tray falls, and is no event."""
        daemon = self._daemon
        self._check_paused("jog")
        if daemon.arming.left_s() == 0:
            raise CommandError("not armed: nothing moves by jog unless arm was given, and its time is not over")
        if daemon.live.snapshot().phase == "sorting":
            raise CommandError("an item is being sorted; wait until it is done")
        self._move(lambda: daemon.guard.deliver(arguments.compartment))
        return {}

    def acknowledge(self, _: Arguments) -> Result:
        self._daemon.guard.acknowledge()
        for code in ACKNOWLEDGED:
            self._daemon.faults.clear(code)
        return {}

    def learn_empty(self, _: Arguments) -> Result:
        self._daemon.sorter.learn_empty()
        return {}

    def emptied(self, arguments: CompartmentArguments) -> Result:
        daemon, name = self._daemon, arguments.compartment
        there_are = sorted(daemon.config.actuator.positions)
        if name not in there_are:
            raise CommandError(f"there is no compartment {name!r}, only {', '.join(there_are)}")
        count = daemon.journal.counts().get(name, 0)
        daemon.settings.set_emptied(name, daemon.clock.utc(), count)
        return {"count": count}

    def self_test(self, _: Arguments) -> Result:
        return self_test(self._daemon)

    def capture(self, _: Arguments) -> Result:
        return keep_snapshot(self._daemon)

    def diagnose(self, _: Arguments) -> Result:
        daemon = self._daemon
        live = {
            "state.json": lambda: daemon.state().model_dump_json(by_alias=True, indent=2),
            "counts.json": lambda: json.dumps(daemon.journal.counts(), indent=2),
            "events.jsonl": lambda: "".join(event.to_json() + "\n" for event in daemon.journal.newest(EVENTS)),
        }
        return diagnose(daemon.config, daemon.clock.utc(), live).to_dict()

    def update(self, arguments: UpdateArguments) -> Result:
        return self._updater.update(arguments)

    def switch_model(self, arguments: SwitchModelArguments) -> Result:
        return self._updater.switch(arguments)

    def rollback(self, _: Arguments) -> Result:
        return self._updater.rollback()

    def _enter(self, mode: Mode) -> Result:
        """What forbids comes before the disk is asked, what allows after it."""
        daemon = self._daemon
        if mode != "paused":
            daemon.arming.disarm()
        daemon.safety.maintenance |= mode == "maintenance"
        daemon.safety.paused |= mode == "paused"
        try:
            daemon.settings.set_mode(mode)
        finally:
            daemon.safety.maintenance, daemon.safety.paused = mode == "maintenance", mode == "paused"
        return {"mode": mode}

    def _use_settings(self) -> None:
        """As it was set before the restart."""
        daemon, kept = self._daemon, self._daemon.settings.now
        daemon.safety.maintenance, daemon.safety.paused = kept.mode == "maintenance", kept.mode == "paused"
        if kept.min_probability is not None:
            daemon.sorter.use_policy(self._policy(kept.min_probability))

    def _check_paused(self, cmd: str) -> None:
        if not self._daemon.safety.paused:
            raise CommandError(
                f"{cmd} is for a bin that is paused; give pause first, so that it does not sort meanwhile"
            )

    def _move(self, movement: Callable[[], None]) -> None:
        try:
            movement()
        except (MotionRefused, MotionInterrupted):
            raise  # the answer says why; nothing stands
        except HardwareError as error:
            report_failed(self._daemon.faults, error)
            raise
