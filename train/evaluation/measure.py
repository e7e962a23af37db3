"""A bundle's figures on photographs: what ships, run as it ships and decided on as a bin does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle import Bundle, Manifest, read_picture, to_input
from edge.bundle.calibration import expected_calibration_error, nll, probabilities
from edge.bundle.figures import macro_f1
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import ConfigError
from train.data import Photos, Split, conflicting, groups_file, make_split, read_groups, scan
from train.data.split import Kind
from train.evaluation.answers import Answers, answers_of, turned
from train.evaluation.automatic import Automatic, sort_automatically
from train.evaluation.figures import Evaluation, choose, class_table
from train.evaluation.novel import Novelty, novelty
from train.evaluation.novel_pictures import novel_pictures
from train.evaluation.pictures import draw_reliability, draw_risk_coverage

REPEATABLE_SPLITS: tuple[Kind, ...] = ("reference", "official", "grouped")
"""Whose name says which photographs stand where."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """A bundle's answers to one part of the split, and all that is said of them."""

    manifest: Manifest
    evaluation: Evaluation
    answers: Answers
    conflicting: dict[str, tuple[str, ...]]
    """photographs of the part whose picture stands under another label too, with the others"""
    names: tuple[str, ...]
    """(N,) "glass/glass7.jpg" """
    others: Mapping[str, Answers]
    """kind of thing that is not waste → answers"""
    averaged: Evaluation | None
    """over the turned and mirrored inputs; None where that was not asked for"""

    @property
    def agreed(self) -> Evaluation:
        """Without the photographs on whose label the data set itself does not agree."""
        return self.evaluation.only(np.array([name not in self.conflicting for name in self.names]))

    @cached_property
    def p(self) -> NDArray[np.float64]:
        """(N, K) at the bundle's temperature."""
        return probabilities(self.answers.logits, self.manifest.temperature)

    @cached_property
    def p_before(self) -> NDArray[np.float64]:
        """(N, K) at temperature 1."""
        return probabilities(self.answers.logits, 1.0)

    @cached_property
    def automatic(self) -> list[Automatic]:
        """As the bundle accepts, then for each of its promises."""
        wanted = [None, *(row.promised for row in self.manifest.contamination)]
        return [sort_automatically(self.manifest, self.answers, self.evaluation.targets, each) for each in wanted]

    @cached_property
    def novelty(self) -> list[Novelty]:
        """All pictures of what is not waste, then each kind."""
        return novelty(self.manifest, self.answers, self.others)

    def as_dict(self) -> dict[str, Any]:
        """evaluation.json."""
        logits, targets = self.answers.logits, self.evaluation.targets
        return {
            **self.evaluation.as_dict(),
            "without_conflicting": {
                "left_out": {name: list(others) for name, others in self.conflicting.items()},
                **_short(self.agreed),
            },
            "calibration": {
                "temperature": self.manifest.temperature,
                "ece_before": expected_calibration_error(self.p_before, targets),
                "ece_after": expected_calibration_error(self.p, targets),
                "nll_before": nll(logits, targets, 1.0),
                "nll_after": nll(logits, targets, self.manifest.temperature),
            },
            "automatic": self.automatic[0].as_dict(),
            "promises": [automatic.as_dict() for automatic in self.automatic[1:]],
            "novelty": {figures.kind: figures.as_dict() for figures in self.novelty},
            "averaged": None if self.averaged is None else _short(self.averaged),
        }

    def __str__(self) -> str:
        """Everything, for a terminal."""
        calibration = self.as_dict()["calibration"]
        lines = [f"{self.evaluation.overall} right, macro-F1 {macro_f1(self.evaluation.confusion):.4f}"]
        if self.averaged is not None:
            lines.append(f"averaged over quarter turns, as it is and mirrored: {_line(self.averaged)}")
        left_out = ", ".join(self.conflicting) or "none here"
        lines.append(f"without pictures that also stand under another label ({left_out}): {_line(self.agreed)}")
        lines += [f"{name}: {share}" for name, share in self.evaluation.by_object().items()]
        lines += ["", class_table(self.evaluation), ""]
        lines.append(
            f"calibration, temperature {calibration['temperature']:.3f}: "
            f"ECE {calibration['ece_before']:.1%} before, {calibration['ece_after']:.1%} after; "
            f"NLL {calibration['nll_before']:.3f} before, {calibration['nll_after']:.3f} after"
        )
        lines += map(str, self.automatic)
        width = max(len(figures.kind) for figures in self.novelty)
        lines += ["", "not waste:", *(f"  {figures.kind:{width}}  {figures}" for figures in self.novelty)]
        return "\n".join(lines)


def _short(evaluation: Evaluation) -> dict[str, Any]:
    return {**evaluation.overall.as_dict(), "macro_f1": macro_f1(evaluation.confusion)}


def _line(evaluation: Evaluation) -> str:
    return f"{evaluation.overall}, macro-F1 {macro_f1(evaluation.confusion):.4f}"


def measure(bundle: Bundle, data: Path, split_name: str, *, average: bool = False) -> Measurement:
    """Run the bundle's model on "test" or "validation", each photograph decoded and resized as in the bin.

    Object groups are read from <data>_groups.csv beside the folder, where that file exists.

    Args:
        average: also predict from the mean probabilities of each photograph turned and mirrored, at eight times the
            work.

    Raises:
        ConfigError: the folder's classes are not the bundle's labels, or the split it was fitted on cannot be made
            again.
        UnreadablePicture: a photograph or the project's own footage cannot be decoded.
    """
    manifest, photos = bundle.manifest, scan(data)
    labels = tuple(manifest.labels)
    if set(photos.labels) != set(labels):
        raise ConfigError(f"{data}: found classes {', '.join(photos.labels)}; the bundle knows {', '.join(labels)}")
    part, seen = choose(_split_of(manifest, photos), split_name, groups_file(data))
    part = Photos(part.root, labels, part.names)  # targets count in the bundle's order, whatever the folders' is
    spec = manifest.preprocessing
    with OnnxRuntimeEngine(bundle) as engine:
        inputs = [to_input(read_picture(part.root / name), spec) for name in part.names]
        answers = answers_of(engine, tqdm(inputs, desc=split_name, unit="photo"))
        others = {
            kind: answers_of(engine, [to_input(rgb, spec) for rgb in tqdm(pictures, desc=kind, leave=False)])
            for kind, pictures in novel_pictures().items()
        }
        p = [
            probabilities(answers_of(engine, turned(image)).logits, manifest.temperature).mean(axis=0)
            for image in tqdm(inputs if average else [], desc="turned", unit="photo", disable=not average)
        ]
    averaged = Evaluation(labels, split_name, part.targets, np.log(p).astype(np.float32), seen) if average else None
    twice = {name: others_ for name, others_ in conflicting(photos).items() if name in set(part.names)}
    return Measurement(
        manifest,
        Evaluation(labels, split_name, part.targets, answers.logits, seen),
        answers, twice, part.names, others, averaged,
    )  # fmt: skip


def _split_of(manifest: Manifest, photos: Photos) -> Split:
    """The split that the model was fitted on: on another its training photographs would flatter it."""
    kind = next((kind for kind in REPEATABLE_SPLITS if kind == manifest.provenance.split), None)
    if kind is None:
        raise ConfigError(
            f"{manifest.name}: fitted on the split {manifest.provenance.split!r}, which cannot be made again from its "
            f"name; expected {', '.join(REPEATABLE_SPLITS)} (python -m train kfold measures its folds itself)"
        )
    groups = groups_file(photos.root)
    return make_split(photos, kind, groups=read_groups(groups) if groups.is_file() else {})


def write_json(measurement: Measurement, identity: dict[str, Any], path: Path) -> None:
    """evaluation.json, whole or not at all: `identity` (what was evaluated), and the figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({**identity, **measurement.as_dict()}, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def draw_calibration(measurement: Measurement, path: Path, *, subject: str) -> None:
    """What the probabilities are worth, and what the bundle's promises come to, in one PNG."""
    evaluation = measurement.evaluation
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_reliability(left, measurement.p_before, measurement.p, evaluation.targets)
    promises = {row.promised: row.min_probability for row in measurement.manifest.contamination}
    draw_risk_coverage(right, measurement.p.max(axis=1), evaluation.right, promises)
    figure.suptitle(f"{subject}, {evaluation.split_name}", fontsize=11, parse_math=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=130)
