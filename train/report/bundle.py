"""A bundle beside the network it was made from: does the int8 graph answer as the float32 one?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle.figures import macro_f1
from train.evaluation.figures import Share
from train.report.part import Part, evaluation, share


@dataclass(frozen=True)
class Difference:
    """A photograph that the bundle calls something else."""

    name: str
    true: str
    network: str
    bundle: str


@dataclass(frozen=True)
class Comparison:
    """On one part of the split."""

    part: str
    network: Share
    network_macro_f1: float
    bundle: Share
    bundle_macro_f1: float
    agreement: Share
    """photographs to which both give one label"""
    largest_difference: float
    """of two logits"""
    rms_difference: float
    differences: list[Difference]


def compare(part: Part, logits: NDArray[np.float32]) -> Comparison:
    """The network's answers on a part beside a bundle's logits (N, K) for it."""
    network, bundle = part.evaluation, evaluation(part.photos, part.name, logits)
    named, renamed = network.logits.argmax(axis=1), logits.argmax(axis=1)  # (N,)
    distance = logits.astype(np.float64) - network.logits
    labels = part.photos.labels
    return Comparison(
        part=part.name,
        network=network.overall,
        network_macro_f1=macro_f1(network.confusion),
        bundle=bundle.overall,
        bundle_macro_f1=macro_f1(bundle.confusion),
        agreement=share(named == renamed),
        largest_difference=float(np.abs(distance).max()),
        rms_difference=float(np.sqrt(np.square(distance).mean())),
        differences=[
            Difference(part.photos.names[i], labels[part.photos.targets[i]], labels[named[i]], labels[renamed[i]])
            for i in np.flatnonzero(named != renamed)
        ],
    )
