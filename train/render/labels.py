"""Printed labels that go round a bottle."""

from __future__ import annotations

import math

import bpy
import numpy as np

from train.render.materials import surface
from train.render.printing import Picture
from train.render.shapes import Array, sheet


def sleeve(radius: float, low: float, high: float, arc_deg: float, print_rgb: Picture) -> bpy.types.Object:
    """A paper label around part of an upright bottle, its middle at -x: uppermost once the bottle lies on its side."""
    paper = surface("label", roughness=0.55, print_rgb=print_rgb)

    def bend(u: Array, v: Array) -> tuple[Array, Array, Array]:
        turn = math.pi + (u - 0.5) * math.radians(arc_deg)
        return radius * np.cos(turn), radius * np.sin(turn), low + (high - low) * v

    return sheet("label", (96, 1), bend, paper)
