"""What is known of the models on the bin, as the answers to `model` and `report_picture`. Reads, changes nothing."""

from __future__ import annotations

import base64
from typing import Any, get_args

from edge.bundle import Manifest, Trust
from edge.bundle.manifest import MANIFEST, manifest_content, parse_manifest
from edge.bundle.report import picture_of, pictures_of
from edge.bundle.signature import signed_by
from edge.control import (
    BundleView,
    CommandError,
    EngineView,
    MetricsView,
    ModelResult,
    ReportPicture,
    ReportPictureArguments,
    UpdateView,
)
from edge.daemon import Daemon
from edge.engines.cache import EngineCache
from edge.engines.trials import recall
from edge.errors import BundleError
from edge.update.site import slots_of, trust_of
from edge.update.slots import Slot, Slots
from edge.update.updater import Updater


def model_response(daemon: Daemon, updater: Updater) -> dict[str, Any]:
    """The result of `model`. Of each bundle the manifest is verified; its larger files are when it is to sort."""
    config = daemon.config
    slots, trust = slots_of(config), trust_of(config)
    trials = recall(daemon.classifier.bundle, config.classify.threads, EngineCache(config.engine_cache))
    places: tuple[Slot, ...] = get_args(Slot)
    return ModelResult(
        bundles=[_bundle(slots, slot, trust) for slot in places if slots.path_of(slot).is_dir()],
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
        update=_update(updater),
    ).to_dict()


def report_picture(daemon: Daemon, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result of `report_picture`."""
    asked = ReportPictureArguments.model_validate(arguments)
    try:
        png = picture_of(slots_of(daemon.config).path_of(asked.slot), asked.name)
    except BundleError as error:
        raise CommandError(str(error)) from None
    return ReportPicture(png=base64.b64encode(png).decode("ascii")).to_dict()


def _bundle(slots: Slots, slot: Slot, trust: Trust) -> BundleView:
    pointer, path = slots.pointer, slots.path_of(slot)
    role = {"slot": slot, "current": slot == pointer.current, "previous": slot == pointer.previous}
    try:
        content = manifest_content(path / MANIFEST)
        signer = signed_by(content, path, trust)
        manifest = parse_manifest(content, path / MANIFEST)
    except BundleError as error:
        return BundleView(**role, problem=str(error))
    return BundleView(
        **role,
        problem=None,
        name=manifest.name,
        version=manifest.version,
        labels=manifest.labels,
        signed_by=signer,
        facts=_facts(manifest),
        metrics=[MetricsView(**row.model_dump()) for row in manifest.provenance.metrics],
        pictures=pictures_of(path, manifest),
    )


def _facts(manifest: Manifest) -> dict[str, str]:
    """The model card, as far as the manifest knows it."""
    origin, network, picture = manifest.provenance, manifest.artefacts["model.onnx"], manifest.preprocessing
    least = manifest.acceptance.values()
    promises = (
        f"at {100 * row.promised:g}% wrong: {100 * row.sorted / row.total:.0f}% sorted automatically, from "
        f"{100 * row.min_probability:.0f}% sure on"
        for row in manifest.contamination
    )
    return {
        "Names": ", ".join(manifest.labels),
        "Licence": manifest.licence,
        "Input": f"{picture.size_px} × {picture.size_px} pixels",
        "Network": f"{network.precision}, {network.size_bytes / 1e6:.1f} MB",
        "Believed from": f"{100 * min(least):.0f}% sure on"
        if len(set(least)) == 1
        else ", ".join(f"{label} {100 * p:.0f}%" for label, p in manifest.acceptance.items()),
        "Promises, by validation": "; ".join(promises) or "none",
        "Novel above": f"{manifest.novelty.threshold:.2f}",
        "Trained from commit": origin.git_commit,
        "Split": f"{origin.split}, seed {origin.seed}",
        "Photographs (sha256)": origin.data_sha256,
        "model.onnx (sha256)": network.sha256,
    }


def _update(updater: Updater) -> UpdateView:
    shadow = updater.shadow
    trial = {} if shadow is None else {
        "shadow_wanted": shadow.wanted, "shadow_seen": shadow.seen, "shadow_elsewhere": shadow.elsewhere
    }  # fmt: skip
    return UpdateView(outcome=updater.outcome, progress=updater.told, failed_at=updater.failed_at, **trial)
