"""The measure in numbers: robustness.json and the table for the console."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from train.robustness.measure import CLEAN, VIEWS, Answers, Robustness
from train.robustness.shifts import MARGIN, SEED


@dataclass(frozen=True)
class Measured:
    """A bundle's figures. name: tells it from the others. identity: what else is said of it in robustness.json."""

    name: str
    identity: Mapping[str, Any]
    robustness: Robustness


def identities(paths: Sequence[Path], bundles: Sequence[Bundle]) -> list[tuple[str, dict[str, Any]]]:
    """Each bundle's name for people, its folder's where that is enough to tell them apart, and what it is."""
    folders = [path.resolve().name for path in paths]
    names = folders if len(set(folders)) == len(folders) else [str(path) for path in paths]
    return [
        (
            name,
            {
                "model": bundle.manifest.name,
                "version": bundle.manifest.version,
                "precision": bundle.manifest.precision,
                "model_sha256": bundle.manifest.artefacts["model.onnx"].sha256,
            },
        )
        for name, bundle in zip(names, bundles, strict=True)
    ]


def as_dict(measured: Sequence[Measured], *, split: str, photographs: int, data_sha256: str) -> dict[str, Any]:
    """robustness.json; the first bundle is the one under test."""
    return {
        "split": split,
        "photographs": photographs,
        "data_sha256": data_sha256,
        "seed": SEED,
        "followed": f"the crop round the item grown by {MARGIN} of its longer side; whole where it was not cut out",
        "whole": "the whole picture",
        "headline": VIEWS[0],
        "bundles": [{**one.identity, "name": one.name, **_figures(one.robustness)} for one in measured],
    }


def _figures(robustness: Robustness) -> dict[str, Any]:
    shifts = {
        shift: {
            "composed": int(views["followed"].composed.sum()),
            "only_treated": int((~views["followed"].composed).sum()),
            **{view: _answers(answers) for view, answers in views.items()},
        }
        for shift, views in robustness.answers.items()
    }
    return {
        "mean": {view: robustness.mean(view) for view in VIEWS},
        "mean_composed_only": {view: robustness.mean_composed(view) for view in VIEWS},
        "worst": {view: robustness.worst(view) for view in VIEWS},
        CLEAN: shifts.pop(CLEAN),
        "shifts": shifts,
    }


def _answers(answers: Answers) -> dict[str, Any]:
    return {
        **answers.overall.as_dict(),
        "macro_f1": answers.macro_f1,
        "composed_only": answers.composed_only.as_dict(),
        "recall": {label: share.as_dict() for label, share in answers.recall.items()},
        "confusion": answers.confusion.tolist(),
    }


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write robustness.json, whole or not at all, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def table(measured: Sequence[Measured]) -> str:
    """A line a shift: right when followed and whole, how many were composed and how many of those were right.

    The mean and the worst shift end the table of each bundle.
    """
    return "\n\n".join(_table(one) for one in measured)


def _table(one: Measured) -> str:
    answers = one.robustness.answers
    width = max(map(len, answers))
    lines = [one.name, f"{'':{width}}  followed                     whole  macro-F1  of the composed"]
    for shift, views in answers.items():
        followed, composed = views["followed"], views["followed"].composed_only
        share = followed.overall.as_dict()
        low, high = share["interval_95"]
        among = f"{composed.accuracy:6.1%} of {composed.total}" if composed.total else "    no item moved"
        lines.append(
            f"{shift:{width}}  {share['right']:4d}/{share['total']:<4d} {share['accuracy']:6.1%} "
            f"({low:4.0%} to {high:4.0%})  {views['whole'].overall.accuracy:6.1%}    {followed.macro_f1:.3f}  {among}"
        )
    for view in VIEWS:
        worst = one.robustness.worst(view)
        lines.append(
            f"mean over the shifts, {view}: {one.robustness.mean(view):.1%} "
            f"({one.robustness.mean_composed(view):.1%} of the composed); worst: {worst} "
            f"({one.robustness.accuracies(view)[worst]:.1%})"
        )
    return "\n".join(lines)
