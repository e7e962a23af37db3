"""How much a mechanism may move: so many movements a minute, and a coil for so many seconds of a minute.

A coil is on for less time than its movement takes, so the movement's time is what is counted: the limit errs towards a
cool coil.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from edge.config import Gates, Mechanism, SolenoidGate

WINDOW_S = 60.0


class Move(NamedTuple):
    """One movement that was made. compartment: None for homing."""

    compartment: str | None
    started_s: float
    ended_s: float


class DutyLimit:
    """Remembers a minute of movements. moves_per_min: None for no limit. coil_s: compartment → seconds a minute."""

    def __init__(self, moves_per_min: int | None = None, coil_s: Mapping[str, float] | None = None) -> None:
        self._moves_per_min = moves_per_min
        self._coil_s = dict(coil_s or {})
        self._moves: deque[Move] = deque()

    def moved(self, compartment: str | None, started_s: float, ended_s: float) -> None:
        """A movement is over, however it ended."""
        self._moves.append(Move(compartment, started_s, ended_s))

    def refusals(self, compartment: str | None, now_s: float) -> tuple[str, ...]:
        """Why it may not move now, in words; empty when it may."""
        while self._moves and self._moves[0].ended_s <= now_s - WINDOW_S:
            self._moves.popleft()
        reasons = []
        if self._moves_per_min is not None and len(self._moves) >= self._moves_per_min:
            again_s = self._moves[len(self._moves) - self._moves_per_min].ended_s + WINDOW_S - now_s
            reasons.append(
                f"{len(self._moves)} movements in the last 60 s, actuator.max_moves_per_min allows "
                f"{self._moves_per_min}; again in {again_s:.0f} s"
            )
        if compartment in self._coil_s:
            used_s = sum(
                move.ended_s - max(move.started_s, now_s - WINDOW_S)
                for move in self._moves
                if move.compartment == compartment
            )
            if used_s >= self._coil_s[compartment]:
                reasons.append(
                    f"the solenoid of {compartment} must cool: on for {used_s:.1f} of the last 60 s, "
                    f"max_on_s_per_min allows {self._coil_s[compartment]:g}"
                )
        return tuple(reasons)


def duty_of(config: Mechanism) -> DutyLimit:
    """The limits that the config sets."""
    coils = {}
    if isinstance(config, Gates):
        coils = {
            # The next movement must fit in as well.
            name: gate.max_on_s_per_min - config.hold_open_s
            for name, gate in config.positions.items()
            if isinstance(gate, SolenoidGate)
        }
    return DutyLimit(config.max_moves_per_min, coils)
