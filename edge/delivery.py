"""Brings an item into its compartment and makes sure that it went there; what goes wrong is told as a fault."""

from __future__ import annotations

from collections.abc import Mapping

from edge.actuators.guard import Guard
from edge.config import Config
from edge.domain import Clock, Outcome
from edge.errors import HardwareError, HomeLost, MotionInterrupted, MotionRefused, MotionStalled
from edge.faults import Faults
from edge.lookout import Lookout
from edge.sensors.switch import SwitchSensor

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


class Delivery:
    """Moves through the guard, watches the tray and the beams. beams: compartment → the beam of its chute."""

    def __init__(
        self,
        config: Config,
        *,
        guard: Guard,
        lookout: Lookout,
        beams: Mapping[str, SwitchSensor],
        faults: Faults,
        clock: Clock,
    ) -> None:
        self._guard = guard
        self._lookout = lookout
        self._beams = beams
        self._faults = faults
        self._clock = clock
        self._verify_timeout_s = config.verify_timeout_s
        self._cycle_s = 1.0 / config.loop_hz

    def home(self) -> bool:
        """Home the mechanism; False when it could not be, for which the guard knows the reason."""
        try:
            self._guard.home(self._lookout.look_on)
        except (MotionRefused, MotionInterrupted):
            return False  # the next cycle tries again
        except HardwareError as error:
            report_failed(self._faults, error)
            return False
        return True

    def deliver(self, compartment: str) -> Outcome:
        """Move, and look whether the item is gone; once more when it is not."""
        started_s = self._clock.monotonic_s()
        for attempt in (1, 2):
            self._lookout.expect_empty()
            try:
                self._guard.deliver(compartment, self._lookout.look_on)
            except MotionRefused as error:
                if attempt == 1:
                    self._faults.report("motion_refused", str(error), REFUSED_REMEDY)
                    return Outcome.REFUSED
                break
            except MotionInterrupted:
                return Outcome.INTERRUPTED
            except HardwareError as error:
                report_failed(self._faults, error)
                return Outcome.STALLED
            if self._tray_empties():
                return self._confirm(compartment, started_s)
        what = f"an item for {compartment} still lies on the tray after the mechanism moved for it"
        self._guard.confirmation_missed(what)
        self._faults.report("jam", what, JAM_REMEDY)
        return Outcome.JAMMED

    def _tray_empties(self) -> bool:
        """Watch the tray until it is empty; False when it is not within the time allowed.

        A mechanism may still turn back when the tray is seen empty, and the next item lie there when it has.
        """
        until_s = self._clock.monotonic_s() + self._verify_timeout_s
        while not self._lookout.emptied and self._clock.monotonic_s() < until_s:
            self._lookout.look_on()
            self._clock.sleep(self._cycle_s)
        return self._lookout.emptied

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
            self._clock.sleep(self._cycle_s)
        return Outcome.CONFIRMED


def report_failed(faults: Faults, error: HardwareError) -> None:
    """A movement failed; the guard has latched, and a person must acknowledge."""
    if isinstance(error, MotionStalled):
        faults.report("stall", str(error), STALL_REMEDY)
    elif isinstance(error, HomeLost):
        faults.report("home_lost", str(error), HOME_REMEDY)
    else:
        faults.report("mechanism_failed", str(error), MECHANISM_REMEDY)
