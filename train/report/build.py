"""The report of a fit: one page that needs nothing beside it, and the pictures in it as files of their own."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.bundle import Bundle, load_bundle
from edge.bundle.calibration import best_temperature
from edge.errors import ConfigError
from train.data import Photos, groups_file, read_groups
from train.report import sections
from train.report.outputs import Outputs, cached_bundle_logits, cached_outputs
from train.report.part import Part
from train.report.render import render
from train.report.run import Run, read_run

PAGE = "index.html"

PartName = Literal["test", "validation"]


@dataclass(frozen=True)
class Order:
    """What is asked for: the run's folder, its photographs, which parts, a bundle to compare, where to put it."""

    run: Path
    data: Path
    parts: tuple[PartName, ...]
    """the first is shown at full length"""
    bundle: Path | None
    out: Path


def write_report(order: Order) -> Path:
    """Write the page and its pictures to `order.out`, replacing an older report there; returns the page's path.

    What the network answers is kept in the run's folder `outputs`, so that the next report takes seconds.

    Raises:
        ConfigError: the run, the photographs or `order.out` cannot be used.
        BundleError: the bundle must not be used.
    """
    out = order.out.absolute()
    _check_replaceable(out)
    run = read_run(order.run, order.data)
    packed = load_bundle(order.bundle) if order.bundle else None
    parts = _measure(run, order.parts)
    with _replacing(out) as folder:
        context = _context(order, run, parts, packed, folder)
        (folder / "config.yaml").write_text(context["config"], encoding="utf-8")
        (folder / PAGE).write_text(render(context), encoding="utf-8")
    return order.out / PAGE


def _measure(run: Run, names: Sequence[PartName]) -> dict[str, Part]:
    """The parts asked for, and validation, whose temperature is everybody's."""
    outputs = {name: _outputs(run, name) for name in dict.fromkeys(["validation", *names])}
    temperature = best_temperature(outputs["validation"].logits, run.split.validation.targets)
    return {name: Part(name, _photos(run, name), found, temperature) for name, found in outputs.items()}


def _context(
    order: Order, run: Run, parts: Mapping[str, Part], packed: Bundle | None, folder: Path
) -> sections.Section:
    """Everything that page.html names; the pictures are drawn into `folder`."""
    shown = [parts[name] for name in order.parts]
    groups = groups_file(order.data)
    answers = [(part, cached_bundle_logits(packed, part.photos, run.cache, part=part.name)) for part in shown if packed]
    return {
        **sections.head(run, shown),
        "command": sections.command(run, order.out / "config.yaml"),
        "curves": sections.curves(run, folder),
        "parts": [sections.part(part, folder) for part in shown],
        "confusions_title": sections.confusions_title(run.labels),
        "calibration": sections.calibration(parts["validation"], shown[0], folder),
        "twins": sections.repeated_objects(
            shown[0],
            _outputs(run, "train").features,
            run.split.train,
            read_groups(groups) if groups.is_file() else None,
        ),
        "bundle": sections.bundle(packed, answers) if packed else None,
        "made_by": _made_by(order),
    }


def _made_by(order: Order) -> str:
    words = ["python", "-m", "train", "report", str(order.run)]
    words += ["--split", order.parts[0]] if len(order.parts) == 1 else []
    words += ["--bundle", str(order.bundle)] if order.bundle else []
    return shlex.join(words)


def _photos(run: Run, part: str) -> Photos:
    photos: Photos = getattr(run.split, part)
    return photos


def _outputs(run: Run, part: str) -> Outputs:
    return cached_outputs(
        run.network, _photos(run, part), run.preprocessing, run.cache, model_sha256=run.sha256, part=part
    )


def _check_replaceable(out: Path) -> None:
    """A folder of something else is never replaced."""
    if out.exists() and not (out / PAGE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: exists and is no report (no {PAGE} in it); give another --out")


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that takes its place when all is written; `out` stays as it is when something fails."""
    fresh, older = (out.with_name(f".{out.name}.{kind}") for kind in ("new", "old"))
    _put_back(older, out)  # of a report that was killed
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if out.exists():
            out.rename(older)
        fresh.rename(out)
    finally:
        _put_back(older, out)
        shutil.rmtree(fresh, ignore_errors=True)


def _put_back(older: Path, out: Path) -> None:
    """The older report returns where none has taken its place, and goes where one has."""
    if older.exists() and not out.exists():
        older.rename(out)
    shutil.rmtree(older, ignore_errors=True)
