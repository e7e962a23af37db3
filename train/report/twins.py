"""Photographs whose object also stands in train: how much of the accuracy is recognition?

Two sources: the data set's own list of photographs of one object, where there is one, and the nearest neighbours of
the network's features. The list is a lower bound (it was found by printed detail; a plain bottle has none). The
neighbours are a guess: what a trained network finds most alike need not be one object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.data import Photos
from train.evaluation.figures import Share
from train.report.part import Part, share
from train.report.pictures import jpeg_uri, thumbnail

LEAST_COSINE = 0.97
"""Of the pooled features: from here on two photographs are taken for twins. Chosen by eye: of 19 such pairs of TrashNet
which no list names, about 15 show one object after a plain fine-tune of ResNet50."""
SHOWN = 24
"""Pairs on the page, the most alike."""


@dataclass(frozen=True, eq=False)
class Twins:
    """For each of N photographs of a part, the training photograph most like it."""

    nearest: NDArray[np.int64]
    """(N,) index into train; of the same object where the list names one there"""
    cosine: NDArray[np.float32]
    """(N,) of their features"""
    listed: NDArray[np.bool_]
    """(N,) the list names an object that stands in train too"""
    alike: NDArray[np.bool_]
    """(N,) the features of some training photograph are as near as LEAST_COSINE"""


@dataclass(frozen=True)
class Pair:
    """Two photographs side by side. Pictures are data URIs."""

    name: str
    photograph: str
    twin_name: str
    twin_photograph: str
    how: str


def find_twins(part: Part, features: NDArray[np.float32], train: Photos, groups: Mapping[str, str]) -> Twins:
    """The photographs of `part` beside those of `train`, whose features are (M, F).

    groups: "class/file.jpg" → object, for objects of which there are two photographs or more.
    """
    similarity = cosines(part.outputs.features, features)  # (N, M)
    nearest, alike = similarity.argmax(axis=1), similarity.max(axis=1) >= LEAST_COSINE
    listed = np.zeros(len(part.photos), np.bool_)
    members: dict[str, list[int]] = {}
    for j, name in enumerate(train.names):
        if name in groups:
            members.setdefault(groups[name], []).append(j)
    for i, name in enumerate(part.photos.names):
        if same := members.get(groups.get(name, "")):
            nearest[i], listed[i] = same[int(similarity[i, same].argmax())], True
    return Twins(nearest, similarity[np.arange(len(nearest)), nearest], listed, alike)


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, F) and (M, F) → (N, M), −1..1; 0 where a row is all zero."""
    unit = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (a, b)]
    return np.asarray(unit[0] @ unit[1].T, np.float32)


def shares(part: Part, twins: Twins, *, grouped: bool) -> list[tuple[str, Share]]:
    """Accuracy with and without a twin, by either source and by both; by the list only where there is one."""
    right, alike = part.evaluation.right, twins.alike
    rows = {f"nearest neighbour at cosine ≥ {LEAST_COSINE}": alike, "no neighbour that near": ~alike}
    if grouped:
        either = twins.listed | alike
        rows = {
            "object listed in train too": twins.listed,
            "object not listed there": ~twins.listed,
            **rows,
            "twin by either": either,
            "twin by neither": ~either,
        }
    return [(name, share(right[chosen])) for name, chosen in rows.items()]


def pairs(part: Part, twins: Twins, train: Photos) -> list[Pair]:
    """Up to SHOWN pairs of twins, the largest cosine first."""
    chosen = np.flatnonzero(twins.listed | twins.alike)
    chosen = chosen[np.argsort(-twins.cosine[chosen], kind="stable")][:SHOWN]
    return [_pair(part.photos, train, twins, int(i)) for i in chosen]


def _pair(photos: Photos, train: Photos, twins: Twins, i: int) -> Pair:
    name, twin = photos.names[i], train.names[twins.nearest[i]]
    source = "listed as one object" if twins.listed[i] else "not listed"
    return Pair(
        name=name,
        photograph=jpeg_uri(thumbnail(photos.root / name)),
        twin_name=twin,
        twin_photograph=jpeg_uri(thumbnail(train.root / twin)),
        how=f"cosine {twins.cosine[i]:.3f}, {source}",
    )
