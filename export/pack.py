"""The bundle folder: golden set, manifest, and a write that either happens completely or not at all."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import (
    Bundle,
    Golden,
    Manifest,
    load_bundle,
    read_picture,
    self_test,
    sha256_of,
    to_input,
    write_golden,
    write_manifest,
)
from edge.bundle.manifest import SCHEMA, Artefact, Metrics, Novelty, Precision, Provenance
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import BundleError, ConfigError
from export.calibrate import Calibration
from export.checkpoint import Checkpoint, Header

TOLERANCE_FACTOR = 2.0
"""int8 tolerance = this times the largest difference seen here: other CPUs add in another order and round elsewhere."""

FP32_TOLERANCE = 1e-3
MIN_GOLDEN = 4


@dataclass(frozen=True)
class GoldenChoice:
    """The golden set, its tolerances, and the names of the pictures left out of it."""

    golden: Golden
    tolerance: dict[Precision, float]
    largest_difference: float
    left_out: tuple[str, ...]


def read_golden_pictures(folder: Path, checkpoint: Checkpoint) -> tuple[Golden, tuple[str, ...]]:
    """Every PNG of `folder`, prepared as in the bin, with the float32 torch network's logits; and the files' N names.

    8·N pictures: the files' as they are, then all of them mirrored and turned in the seven other ways.

    Raises:
        ConfigError: no such folder, or fewer than MIN_GOLDEN pictures in it.
    """
    files = sorted(folder.glob("*.png"))
    if len(files) < MIN_GOLDEN:
        raise ConfigError(
            f"{folder}: {len(files)} PNG pictures, expected at least {MIN_GOLDEN} renders; make them with train/render"
        )
    images = np.stack([to_input(read_picture(file), checkpoint.header.preprocessing) for file in files])
    turned = [np.rot90(side, quarters, axes=(1, 2)) for side in (images, images[:, :, ::-1]) for quarters in range(4)]
    images = np.ascontiguousarray(np.concatenate(turned))
    golden = Golden(images, checkpoint.reference_logits(images), checkpoint.header.labels)
    return golden, tuple(file.stem for file in files)


def choose_golden(golden: Golden, names: Sequence[str], int8_logits: NDArray[np.float32]) -> GoldenChoice:
    """Set the tolerances from the int8 graph's logits (8·N, K), and choose the pictures that can be judged by them.

    The self-test also demands the same top-1. Where the reference's best two labels are closer than the tolerance,
    a sound engine may swap them: such a picture would refuse engines at random, and is left out. Where too few remain
    (a network made from few photographs is sure of little), the clearest of the turned ones join them.

    Raises:
        BundleError: fewer than MIN_GOLDEN pictures can be judged.
    """
    largest = float(np.abs(int8_logits - golden.logits).max())
    int8 = math.ceil(100 * TOLERANCE_FACTOR * largest) / 100
    best_two = np.sort(golden.logits, axis=1)[:, -2:]  # (8·N, 2)
    margin = best_two[:, 1] - best_two[:, 0]  # (8·N,)
    straight = [i for i in range(len(names)) if margin[i] > int8]
    turned = [i for i in np.argsort(-margin, kind="stable") if i >= len(names) and margin[i] > int8]
    chosen = [*straight, *turned[: max(0, MIN_GOLDEN - len(straight))]]
    if len(chosen) < MIN_GOLDEN:
        raise BundleError(
            f"golden set: int8 differs from torch by {largest:.3f}, so that only {len(chosen)} of {len(margin)} "
            f"pictures have a clear top-1, expected {MIN_GOLDEN}; train longer, add renders, or quantise by another "
            "recipe"
        )
    kept = Golden(golden.images[chosen], golden.logits[chosen], golden.labels)
    left_out = tuple(name for i, name in enumerate(names) if i not in chosen)
    return GoldenChoice(kept, {"fp32": FP32_TOLERANCE, "int8": int8}, largest, left_out)


@dataclass(frozen=True)
class Naming:
    """What the packer is told and cannot find out."""

    name: str
    version: str
    licence: str


def build_manifest(
    naming: Naming,
    header: Header,
    calibration: Calibration,
    chosen: GoldenChoice,
    artefacts: dict[str, Artefact],
    recipe: str,
    metrics: list[Metrics],
) -> Manifest:
    """manifest.json's content."""
    origin = header.provenance
    return Manifest(
        schema=SCHEMA, name=naming.name, version=naming.version, licence=naming.licence,
        labels=list(header.labels), preprocessing=header.preprocessing,
        temperature=calibration.temperature,
        acceptance=dict.fromkeys(header.labels, calibration.acceptance), contamination=list(calibration.promises),
        novelty=Novelty(
            score="energy", threshold=round(calibration.novelty_energy, 4), quantile=calibration.novelty_quantile
        ),
        golden_tolerance=chosen.tolerance, artefacts=artefacts,
        provenance=Provenance(
            git_commit=origin.git_commit, data_sha256=origin.data_sha256, weights_sha256=origin.weights_sha256,
            split=origin.split, seed=origin.seed, calibration=recipe, metrics=metrics,
        ),
    )  # fmt: skip


def describe_artefacts(folder: Path) -> dict[str, Artefact]:
    """The two required files of a bundle folder, hashed."""
    model, golden = folder / "model.onnx", folder / "golden.npz"
    return {
        model.name: Artefact(
            sha256=sha256_of(model), size_bytes=model.stat().st_size, runtime="onnxruntime", precision="int8"
        ),
        golden.name: Artefact(
            sha256=sha256_of(golden), size_bytes=golden.stat().st_size, runtime="numpy", precision=None
        ),
    }


def write_parts(folder: Path, model: Path, golden: Golden) -> dict[str, Artefact]:
    """Put model.onnx and golden.npz into `folder`; what the manifest says of them."""
    shutil.copyfile(model, folder / "model.onnx")
    write_golden(golden, folder / "golden.npz")
    return describe_artefacts(folder)


def finish(folder: Path, manifest: Manifest) -> tuple[Bundle, float]:
    """Write the manifest, then load and self-test the folder as the bin will; the bundle and its largest difference.

    Raises:
        BundleError: the bundle is not one the bin would accept.
        GoldenMismatch: the packed graph does not reproduce the golden logits.
    """
    write_manifest(manifest, folder / "manifest.json")
    bundle = load_bundle(folder)
    with OnnxRuntimeEngine(bundle) as engine:
        return bundle, self_test(engine, bundle.golden, bundle.golden_tolerance)


def check_target(target: Path) -> None:
    """Refuse to replace a folder that is not a bundle: packing removes what stands there.

    Raises:
        ConfigError: `target` is a file, or a folder with something in it and no manifest.json.
    """
    if target.is_dir():
        if any(target.iterdir()) and not (target / "manifest.json").is_file():
            raise ConfigError(f"{target}: holds files and no bundle; packing would remove them, give another --out")
    elif target.exists():
        raise ConfigError(f"{target}: a file; expected a bundle's folder or a name not in use")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which takes its place when the block ends well and vanishes when it does not.

    Whoever opens `target` finds the old bundle or the new one, never half of one. (For an instant, between two
    renames, there may be none; were the machine to stop just then, the old bundle stands beside it as .NAME.old-…)
    """
    check_target(target)
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
    try:
        staging.chmod(0o755)  # mkdtemp's 0700 would lock out the bin's user
        yield staging
        for file in staging.iterdir():
            _flush(file)
        _swap(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    old = staging.with_name(staging.name.replace(".new-", ".old-"))
    target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _flush(path: Path) -> None:
    """To the disk, before a name points to it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
