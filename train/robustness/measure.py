"""What a bundle gets right on shifted photographs: what ships, run as it ships."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle import Bundle, Preprocessing, read_picture, to_input
from edge.bundle.figures import confusion_matrix, macro_f1
from edge.domain import Engine
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import ConfigError
from train.data import Photos
from train.evaluation.figures import Share
from train.robustness.shifts import SHIFTS, Shifted, apply, clean, subject

View: TypeAlias = Literal["followed", "whole"]
VIEWS: tuple[View, View] = ("followed", "whole")
"""The first is the headline: presence has found the item, and the crop that is classified follows it."""

CLEAN = "clean"
"""The photographs as they are; stands beside the shifts and counts in none of their figures."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What one bundle named on one shift in one view.

    targets, predicted: (N,) class numbers. composed: (N,) did the item lie on a new ground, or was the photograph,
    board and all, only treated? labels: names of the K classes.
    """

    labels: tuple[str, ...]
    targets: NDArray[np.int64]
    predicted: NDArray[np.int64]
    composed: NDArray[np.bool_]

    @property
    def overall(self) -> Share:
        """All photographs."""
        return self.among(np.ones(len(self.targets), np.bool_))

    @property
    def composed_only(self) -> Share:
        """Only those whose item lay on a new ground."""
        return self.among(self.composed)

    def among(self, part: NDArray[np.bool_]) -> Share:
        """Only those of `part`, (N,)."""
        return Share(int((self.predicted == self.targets)[part].sum()), int(part.sum()))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K): row = true class, column = predicted class."""
        return confusion_matrix(self.targets, self.predicted, len(self.labels))

    @property
    def macro_f1(self) -> float:
        """Mean of the classes' F1."""
        return macro_f1(self.confusion)

    @property
    def recall(self) -> dict[str, Share]:
        """Every class's own photographs."""
        return {label: self.among(self.targets == k) for k, label in enumerate(self.labels)}


@dataclass(frozen=True, eq=False)
class Robustness:
    """One bundle on CLEAN and on every shift, by view: answers[shift][view]."""

    answers: Mapping[str, Mapping[View, Answers]]

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the classes, in the bundle's order."""
        return self.answers[CLEAN]["followed"].labels

    def accuracies(self, view: View) -> dict[str, float]:
        """shift → share right; CLEAN is none of them."""
        return {shift: views[view].overall.accuracy for shift, views in self.answers.items() if shift != CLEAN}

    def mean(self, view: View) -> float:
        """Over the shifts, each counting the same."""
        return float(np.mean(list(self.accuracies(view).values())))

    def mean_composed(self, view: View) -> float:
        """The same mean over only those photographs whose item lay on a new ground: the harder half."""
        shares = [views[view].composed_only for shift, views in self.answers.items() if shift != CLEAN]
        return float(np.mean([share.accuracy for share in shares]))

    def worst(self, view: View) -> str:
        """The shift with the fewest right; the first of equals."""
        accuracies = self.accuracies(view)
        return min(accuracies, key=accuracies.__getitem__)


def measure(bundles: Sequence[Bundle], photos: Photos) -> list[Robustness]:
    """Run every bundle on the same shifted pictures: each photograph under each shift, followed and whole.

    Raises:
        ConfigError: the photographs' classes are not a bundle's labels.
        UnreadablePicture: a photograph cannot be read; the message names it.
    """
    for bundle in bundles:
        check_labels(photos, bundle)
    cv2.setNumThreads(1)  # the photographs are what runs in parallel
    with ExitStack() as open_engines:
        engines = [open_engines.enter_context(OnnxRuntimeEngine(bundle, threads=1)) for bundle in bundles]
        runs = list(zip([bundle.manifest.preprocessing for bundle in bundles], engines, strict=True))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            answered = pool.map(lambda name: _answer(photos, name, runs), photos.names)
            rows = list(tqdm(answered, total=len(photos), desc="shifts", unit="photo"))
    predicted = np.array([row.predicted for row in rows])  # (N, shifts, views, bundles)
    composed = np.array([row.composed for row in rows])  # (N, shifts)
    return [_robustness(bundle, b, photos, predicted, composed) for b, bundle in enumerate(bundles)]


def check_labels(photos: Photos, bundle: Bundle) -> None:
    """Raises ConfigError where the photographs' classes are not the bundle's labels."""
    labels = bundle.manifest.labels
    if set(photos.labels) != set(labels):
        raise ConfigError(
            f"{photos.root}: found classes {', '.join(photos.labels)}; {bundle.manifest.name} knows "
            f"{', '.join(labels)}: give the photographs that the bundle was made for"
        )


@dataclass(frozen=True)
class _Row:
    predicted: list[list[list[int]]]
    composed: list[bool]


def _answer(photos: Photos, name: str, runs: Sequence[tuple[Preprocessing, Engine]]) -> _Row:
    """One photograph under every shift: what is in memory at a time is one picture a worker."""
    predicted, composed = [], []
    for shifted in _variants(photos, name):
        whole = [_predict(shifted.view(followed=False), *run) for run in runs]
        followed = whole if shifted.box is None else [_predict(shifted.view(followed=True), *run) for run in runs]
        predicted.append([followed, whole])
        composed.append(shifted.composed)
    return _Row(predicted, composed)


def _variants(photos: Photos, name: str) -> Iterator[Shifted]:
    """As it is, then under every shift in their order."""
    shown = subject(read_picture(photos.root / name), name)
    yield clean(shown)
    for shift in SHIFTS:
        yield apply(shift, shown)


def _predict(rgb: NDArray[np.uint8], spec: Preprocessing, engine: Engine) -> int:
    # One at a time, as in the bin: int8 kernels may round a batch differently.
    logits, _ = engine.infer(to_input(rgb, spec)[None])
    return int(logits[0].argmax())


def _robustness(
    bundle: Bundle, number: int, photos: Photos, predicted: NDArray[np.int64], composed: NDArray[np.bool_]
) -> Robustness:
    labels = tuple(bundle.manifest.labels)
    targets = Photos(photos.root, labels, photos.names).targets  # counted in the bundle's order, not the folders'
    answers = {
        shift: {
            view: Answers(labels, targets, predicted[:, s, v, number], composed[:, s]) for v, view in enumerate(VIEWS)
        }
        for s, shift in enumerate((CLEAN, *SHIFTS))
    }
    return Robustness(answers)


def shifted_inputs(photos: Photos, spec: Preprocessing, *, shift: str, followed: bool) -> NDArray[np.uint8]:
    """Photographs under one shift as the bin would feed them to the network: (N, size_px, size_px, 3) uint8 RGB.

    shift: a name of SHIFTS, or CLEAN. followed: cropped round the item where it is known, else whole.

    Raises:
        ConfigError: there is no such shift.
        UnreadablePicture: a photograph cannot be read.
    """
    if shift not in (CLEAN, *SHIFTS):
        raise ConfigError(f"found shift {shift!r}, expected one of {', '.join((CLEAN, *SHIFTS))}")

    def make(name: str) -> NDArray[np.uint8]:
        shown = subject(read_picture(photos.root / name), name)
        shifted = clean(shown) if shift == CLEAN else apply(shift, shown)
        return to_input(shifted.view(followed=followed), spec)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = tqdm(pool.map(make, photos.names), total=len(photos), desc=shift, unit="photo")
        return np.stack(list(made))
