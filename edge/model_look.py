"""What is known of the model that sorts, as the answers to `model` and `report_picture`. Reads, changes nothing."""

from __future__ import annotations

import base64
from typing import Any, get_args

from edge.bundle.manifest import read_manifest
from edge.config import Config
from edge.control import (
    BundleView,
    CommandError,
    EngineView,
    MetricsView,
    ModelResult,
    ReportPicture,
    ReportPictureArguments,
)
from edge.daemon import Daemon
from edge.engines.cache import EngineCache
from edge.engines.trials import recall
from edge.errors import BundleError
from edge.update.slots import Slot, Slots

PICTURES = ("confusion", "calibration", "robustness", "benchmark")


def model_response(daemon: Daemon) -> dict[str, Any]:
    """The result of `model`."""
    config, bundle = daemon.config, daemon.classifier.bundle
    manifest = bundle.manifest
    trials = recall(bundle, config.classify.threads, EngineCache(config.engine_cache))
    return ModelResult(
        name=manifest.name,
        version=manifest.version,
        labels=manifest.labels,
        signed_by=bundle.signed_by,
        facts={
            "Licence": manifest.licence,
            "Trained from commit": manifest.provenance.git_commit,
            "Split": f"{manifest.provenance.split}, seed {manifest.provenance.seed}",
            "Photographs (sha256)": manifest.provenance.data_sha256,
            "model.onnx (sha256)": bundle.model_id.sha256,
            "Novel above": f"{manifest.novelty.threshold:.2f}",
        },
        metrics=[MetricsView(**row.model_dump()) for row in manifest.provenance.metrics],
        bundles=_bundles(config),
        engine=daemon.classifier.engine_name,
        engines=[
            EngineView(
                engine=str(trial.candidate),
                precision=trial.precision,
                off_by=trial.difference,
                median_ms=trial.median_ms,
                why=trial.why,
            )
            for trial in trials
        ],
        pictures=[name for name in PICTURES if (bundle.path / "report" / f"{name}.png").is_file()],
    ).to_dict()


def report_picture(daemon: Daemon, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result of `report_picture`."""
    name = ReportPictureArguments.model_validate(arguments).name
    try:
        png = (daemon.classifier.bundle.path / "report" / f"{name}.png").read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror or error}") from None
    return ReportPicture(png=base64.b64encode(png).decode("ascii")).to_dict()


def _bundles(config: Config) -> list[BundleView]:
    """Every bundle on this bin; one that cannot be read too."""
    slots = Slots(config.state_dir / "models", config.classify.bundle)
    current = slots.pointer.current
    found = []
    for slot in get_args(Slot):
        path = slots.path_of(slot)
        if not path.is_dir():
            continue
        try:
            version: str | None = read_manifest(path / "manifest.json").version
        except BundleError:
            version = None
        found.append(BundleView(slot=slot, version=version, current=slot == current))
    return found
