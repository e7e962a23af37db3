"""Where the item and the flap are in each frame. Pure numbers: no Blender, no clock, no chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

EMPTY_FRAMES = 3
APPEAR_FRAMES = 7
STILL_FRAMES = 3

# The flap's stops, each rendered once without an item and used by every chapter, on the way down and up again.
FLAP_DEG = (0.0, 3.0, 9.0, 24.0, 45.0, 63.0, 72.0)
OPENING = (2, 3, 4, 5, 6)  # indices into FLAP_DEG
CLOSING = (6, 5, 4, 3, 2, 1, 0)


@dataclass(frozen=True)
class Pose:
    """Flap angle (0 = closed) and the item's move from where it rests, as seen by the flap, in decimetres."""

    flap_deg: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn_deg: float = 0.0


def appearing(t: float, from_right: bool) -> Pose:
    """Thrown in from one side (t = 0), landing at t = 0.7, one small bounce, at rest from t = 1."""
    side = 1.0 if from_right else -1.0
    if t < 0.7:
        left = 1 - max(t, -0.2) / 0.7
        height = 1.3 * (1 - (1 - left) ** 2) if left < 1 else 1.3
        return Pose(0.0, (side * 3.1 * left**1.15, 0.6 * left, height), side * 60 * left)
    settle = min((t - 0.7) / 0.3, 1.0)
    return Pose(0.0, (side * -0.05 * settle * (1 - settle), 0.0, 0.10 * math.sin(math.pi * settle)))


def leaving(step: float) -> Pose:
    """Flap stop `step` of OPENING (fractions in between): the item slides down the flap, over its edge, and falls."""
    whole = min(int(max(step, 0.0)), len(OPENING) - 2)
    a, b = FLAP_DEG[OPENING[whole]], FLAP_DEG[OPENING[whole + 1]]
    angle = a + (b - a) * (step - whole) if step >= 0 else a * (1 + step)
    slide = -0.22 * max(step - 0.4, 0.0) ** 2.1
    return Pose(angle, (0.01 * step, slide, 0.0), 1.5 * max(step - 0.5, 0.0))
