"""What the sensors tell a person: a full compartment, a blocked chute, a switch that cannot be right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.domain import Clock
from edge.faults import Faults
from edge.sensors.switch import SwitchSensor

BLOCKED_S = 5.0
"""A beam broken for longer than any item takes to fall."""

FULL_REMEDY = "empty it; until then its items go to residual, and with residual full the bin stops"
UNSTEADY_REMEDY = "check its wires and plug; until it has been steady for 5 s it counts as active, the safe side"
BLOCKED_REMEDY = "look into the chute and take out what hangs there; check the beam's alignment and wires"


class SensorWatch:
    """A chore: reports and clears the sensors' faults.

    full_by_level: the compartments that their fill sensors find full.
    """

    def __init__(
        self,
        switches: Sequence[SwitchSensor],
        faults: Faults,
        clock: Clock,
        full_by_level: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._switches = switches
        self._faults = faults
        self._clock = clock
        self._full_by_level = full_by_level
        self._broken_from_s: dict[str, float] = {}
        self.beams = {
            switch.config.compartment: switch
            for switch in switches
            if switch.config.role == "beam" and switch.config.compartment is not None
        }

    def full(self) -> frozenset[str]:
        """The compartments that take nothing more: full by a switch or a level, or with a blocked chute."""
        full = {
            switch.config.compartment
            for switch in self._switches
            if switch.config.role == "full" and switch.config.compartment is not None and switch.active()
        }
        return frozenset(full) | self._full_by_level() | self.blocked()

    def blocked(self) -> frozenset[str]:
        """The compartments whose beam has been broken for too long."""
        now_s = self._clock.monotonic_s()
        blocked = set()
        for compartment, beam in self.beams.items():
            if not beam.active():
                self._broken_from_s.pop(compartment, None)
            elif now_s - self._broken_from_s.setdefault(compartment, now_s) >= BLOCKED_S:
                blocked.add(compartment)
        return frozenset(blocked)

    def tend(self) -> None:
        blocked = self.blocked()
        self._say("chute_blocked", "the beam is broken all the time in the chute of", sorted(blocked), BLOCKED_REMEDY)
        self._say("compartment_full", "full:", sorted(self.full() - blocked), FULL_REMEDY)
        unsteady = [switch.name for switch in self._switches if switch.unsteady()]
        self._say("sensor_unsteady", "changes many times in a few seconds:", unsteady, UNSTEADY_REMEDY)

    def _say(self, code: str, what: str, which: Sequence[str], remedy: str) -> None:
        if which:
            self._faults.report(code, f"{what} {', '.join(which)}", remedy)
        else:
            self._faults.clear(code)
