"""What each section of the page says: numbers and sentences for the template, pictures into the report's folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from edge.bundle import Bundle
from train.data import Photos, data_sha256, scan
from train.report import gallery, sharing, twins
from train.report.bundle import compare
from train.report.charts import draw_confusion, draw_curves, draw_per_class, save
from train.report.part import Part
from train.report.pictures import png_uri
from train.report.render import percent
from train.report.run import Run

Section = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A picture on the page; the same stands beside it as a file."""

    uri: str
    alt: str
    caption: str = ""


def head(run: Run, parts: Sequence[Part]) -> Section:
    """Title, figures and origin."""
    content, split = run.content, run.split
    origin = content["provenance"]
    data = split.train.root
    same = data_sha256(scan(data)) == origin["data_sha256"]
    facts = {
        "network": f"{content['arch']}, {content['stem']} stem, {run.preprocessing.size_px} px squares",
        "photographs": f"{len(split.train)} training, {len(split.validation)} validation, {len(split.test)} test",
        "classes": ", ".join(run.labels),
        "split": f"{origin['split']}, seed {origin['seed']}",
        "data": f"{data.name}, sha256 {origin['data_sha256'][:12]}"
        + ("" if same else "; the folder read here is not the same, byte for byte"),
        "kept": _kept(run),
        "pretrained weights": f"state dict's sha256 {origin['weights_sha256'][:12]}",
        "code": origin["git_commit"].replace("-dirty", ", with changes that no commit holds"),
        "checkpoint": f"best.pt, sha256 {run.sha256[:12]}",
    }
    return {
        "title": f"{content['arch']} on {data.name}: {run.folder.absolute().name}",
        "lead": f"A network that tells {len(run.labels)} classes apart, measured on photographs it did not learn from.",
        "figures": [part.figures for part in parts],
        "facts": list(facts.items()),
        "config": yaml.safe_dump(content["config"], sort_keys=False, allow_unicode=True),
    }


def _kept(run: Run) -> str:
    if run.shares:
        return "the mean of " + ", ".join(f"{fit} ({percent(share, 0)})" for fit, share in run.shares.items())
    (history,) = run.histories.values()
    return f"epoch {run.content['provenance']['epoch']} of {len(history)}"


def command(run: Run, config: Path) -> str:
    """The lines that make the fit again from its config.yaml, or the mean from its fits."""
    commit = run.content["provenance"]["git_commit"].removesuffix("-dirty")
    if run.shares:
        shares = [word for share in run.shares.values() for word in ("--share", f"{share:g}")]
        return shlex.join(["python", "-m", "train", "soup", *run.shares, *shares, "--out", "runs/again"])
    words = ["python", "-m", "train", "fit", "--config", str(config), "--out", "runs/again"]
    origin = run.content["provenance"]
    if origin.get("start_sha256"):
        words += ["--start", "FILE"]
    elif run.content["stem"] == "relu6":  # a download has a plain ReLU stem
        words += ["--weights", "FILE"]
    if run.content["config"].get("finetune", {}).get("distill"):
        words += ["--teacher", "FILE"] * len(origin["teacher_sha256"])
    words += ["--extra", "FOLDER"] * len(origin.get("extra_sha256", []))
    return ("" if commit == "unknown" else f"git checkout {commit}\n") + shlex.join(words)


def curves(run: Run, folder: Path) -> list[Chart]:
    """Loss and accuracy of every epoch, for each fit that the network comes from."""
    charts = []
    for number, (fit, history) in enumerate(run.histories.items()):
        path = folder / (f"curves-{number + 1}.png" if run.shares else "curves.png")
        draw_curves(history, path, subject=f"{run.content['arch']}: {fit}" if run.shares else run.content["arch"])
        charts.append(Chart(png_uri(path), f"loss and accuracy in {len(history)} epochs of {fit}"))
    return charts


def part(of: Part, folder: Path) -> Section:
    """Everything that is shown for each part: confusion, classes, mistakes."""
    found, cards = of.evaluation, gallery.mistakes(of)
    confusion, classes = folder / f"confusion-{of.name}.png", folder / f"classes-{of.name}.png"
    draw_confusion(found, confusion, subject="float32")
    draw_per_class(found, classes, subject="float32")
    return {
        "name": of.name,
        "confusion": Chart(png_uri(confusion), f"confusion matrix on {of.name}"),
        "classes": Chart(png_uri(classes), f"precision, recall and F1 of each class on {of.name}"),
        "cards": cards,
        "named_confusions": gallery.named_confusions(of, cards),
    }


def confusions_title(labels: Sequence[str]) -> str:
    """Whose confusions they are."""
    known = any(set(pair) <= set(labels) for pair in gallery.REFERENCE_CONFUSIONS)
    return "The confusions that the reference names" if known else "The most frequent confusions"


def calibration(validation: Part, shown: Part, folder: Path) -> Section:
    """Reliability, coverage, and what promises of contamination come to."""
    before, after = sharing.calibration_errors(shown)
    charts = {"reliability": sharing.reliability_figure(shown), "coverage": sharing.coverage_figure(validation, shown)}
    for name, figure in charts.items():
        save(figure, folder / f"{name}.png")
    own = "; the same photographs, so these figures flatter" if shown.name == validation.name else ""
    return {
        "text": f"Probabilities are softmax(logits / {validation.temperature:.3f}); the temperature is that of least "
        f"NLL on validation (Guo et al. 2017). Expected calibration error on {shown.name}, 15 bins: "
        f"{percent(before)} before, {percent(after)} after. The thresholds below were found on validation and are "
        f"applied to {shown.name}{own}.",
        "reliability": Chart(png_uri(folder / "reliability.png"), f"reliability diagram on {shown.name}"),
        "coverage": Chart(png_uri(folder / "coverage.png"), f"risk-coverage curve on {shown.name}"),
        "promises": sharing.keep_promises(validation, shown),
    }


def repeated_objects(
    shown: Part, features: NDArray[np.float32], train: Photos, groups: Mapping[str, str] | None
) -> Section:
    """Accuracy with and without a twin in train, and the twins. groups: None where no list of them is known."""
    found = twins.find_twins(shown, features, train, groups or {})
    pairs = twins.pairs(shown, found, train)
    total = int((found.listed | found.alike).sum())
    listed = "" if groups is not None else "There is no list of photographs of one object for these data. "
    return {
        "part": shown.name,
        "text": "Where the object of a photograph also stands in train, naming it may be recognition. "
        f"{listed}Neighbours are the nearest by the cosine of the network's pooled features; whether they show one "
        "object is for the eye to judge.",
        "shares": twins.shares(shown, found, grouped=groups is not None),
        "pairs": pairs,
        "pairs_title": f"{len(pairs)} of {total} photographs, each beside its twin",
    }


def bundle(packed: Bundle, answers: Sequence[tuple[Part, NDArray[np.float32]]]) -> Section:
    """The bundle's logits for each part beside the network's."""
    manifest = packed.manifest
    return {
        "text": f"{manifest.name} {manifest.version}, model.onnx run as it ships, one photograph at a time.",
        "precision": manifest.precision,
        "comparisons": [compare(of, logits) for of, logits in answers],
    }
