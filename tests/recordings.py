"""Items as the sorter hands them to its observers, without a sorter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.actuators.guard import Safety
from edge.decide import Policy
from edge.domain import Box, Frame, Prediction
from edge.observers import Look, SortedItem
from tests.brokers import sample_event

LABELS = ("glass", "metal", "paper")
POLICY = Policy(
    routes={label: label for label in LABELS},
    residual="residual",
    costs={label: {to: float(to != label) for to in (*LABELS, "residual")} for label in LABELS},
    acceptance=dict.fromkeys(LABELS, 0.5),
    novelty_threshold=-1.0,
)
SAFETY = Safety(True, True, True, True, False, frozenset({"paper"}), ("full of paper (pin 5)",))


def sorted_item(seq: int, *, looks: int = 2, side_px: int = 40) -> SortedItem:
    """An item of noise, which no lossy format would keep."""
    noise = np.random.default_rng(seq)
    frames = [
        Frame(noise.integers(0, 256, (60, 80, 3), np.uint8), captured_s=seq + 0.1 * i, seq=100 * seq + i)
        for i in range(looks)
    ]
    p = noise.dirichlet((3.0, 1.0, 0.5)).astype(np.float32)
    prediction = Prediction(LABELS, p, np.zeros((3, 2, 2), np.float32), -7.123456789, "onnxruntime-int8", 0.03)
    crop = Box(10, 5, 10 + side_px, 5 + side_px)
    return SortedItem(
        event=replace(sample_event(seq), top3=prediction.top3, timings_ms={"infer": 31.4}),
        looks=tuple(Look(frame, Box(15, 10, 30, 30), crop, 0.01) for frame in frames),
        prediction=prediction,
        policy=POLICY,
        safety=SAFETY,
    )
