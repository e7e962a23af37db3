"""model.pte answers as its checkpoint does, and comes whole or not at all into the bundle made from the same one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

pytest.importorskip("executorch")

from edge.bundle import Bundle, load_bundle, self_test, sha256_of
from edge.engines.executorch import ExecuTorchEngine
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import BundleError, ConfigError, GoldenMismatch
from export import pipeline, to_executorch
from export.checkpoint import Checkpoint
from export.commands.executorch import executorch
from export.pipeline import Order
from export.to_executorch import (
    TrainingPhotographs,
    add_to_bundle,
    check_pair,
    lower_fp32,
    lower_int8,
    tolerance_for,
)

PHOTOS = 12


@pytest.fixture(scope="module")
def packed(first_order: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, to be copied."""
    out = tmp_path_factory.mktemp("packed") / "stripes"
    pipeline.export(replace(first_order, out=out), lambda line: None)
    return out


@pytest.fixture
def bundle(packed: Path, tmp_path: Path) -> Bundle:
    """A copy of the test's own, with a report beside the model."""
    folder = Path(shutil.copytree(packed, tmp_path / "bundles" / "stripes"))
    (folder / "report").mkdir()
    (folder / "report" / "evaluation.json").write_text("{}")
    return load_bundle(folder)


@pytest.fixture(scope="module")
def photographs(checkpoint: Checkpoint, first_order: Order) -> TrainingPhotographs:
    return TrainingPhotographs(checkpoint, first_order.split, first_order.data, PHOTOS)


@pytest.fixture(scope="module")
def fp32(checkpoint: Checkpoint) -> bytes:
    return lower_fp32(checkpoint)


@pytest.fixture(scope="module")
def int8(checkpoint: Checkpoint, photographs: TrainingPhotographs) -> bytes:
    return lower_int8(checkpoint, photographs)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def answers(bundle: Bundle, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with ExecuTorchEngine(bundle) as engine:
        return engine.infer(images)


# --- the program -----------------------------------------------------------------------------------------------------


def test_float_program_is_the_checkpoint(
    bundle: Bundle, fp32: bytes, checkpoint: Checkpoint, inputs: NDArray[np.uint8]
) -> None:
    logits, class_maps = answers(add_to_bundle(bundle, fp32, "fp32").bundle, inputs)
    assert np.abs(logits - checkpoint.reference_logits(inputs)).max() < 1e-3
    assert class_maps.shape == (24, 3, 2, 2)
    assert np.abs(class_maps.mean(axis=(2, 3)) - logits).max() < 1e-5


def test_int8_program_is_close_to_it_and_a_quarter_as_large(
    bundle: Bundle, int8: bytes, fp32: bytes, checkpoint: Checkpoint, inputs: NDArray[np.uint8]
) -> None:
    logits, class_maps = answers(add_to_bundle(bundle, int8, "int8").bundle, inputs)
    expected = checkpoint.reference_logits(inputs)
    difference = np.abs(logits - expected)
    assert 1e-3 < difference.max() < 0.1 * np.ptp(expected)
    assert (logits.argmax(axis=1) == expected.argmax(axis=1)).sum() >= 23  # of 24: one is nearly a tie
    # To float32's rounding only where the head is float: eight bits of map and of logit would round twice.
    assert np.abs(class_maps.mean(axis=(2, 3)) - logits).max() < 1e-5
    assert len(int8) < 0.27 * len(fp32)


def test_same_photographs_give_the_same_bytes(
    checkpoint: Checkpoint, photographs: TrainingPhotographs, int8: bytes
) -> None:
    assert lower_int8(checkpoint, photographs) == int8


def test_ranges_are_found_on_training_photographs_only(
    photographs: TrainingPhotographs, checkpoint: Checkpoint, first_order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert photographs.images.shape == (PHOTOS, 64, 64, 3)
    read: list[str] = []

    def remember(root: Path, names: tuple[str, ...], *args: object, **options: object) -> None:
        read.extend(names)

    monkeypatch.setattr(to_executorch, "load_inputs", remember)
    TrainingPhotographs(checkpoint, first_order.split, first_order.data, PHOTOS)
    assert set(read) <= set(json.loads(first_order.split.read_text())["train"])
    assert {name.split("/")[0] for name in read} == {"glass", "paper", "trash"}


def test_photographs_of_another_fit_are_refused(
    checkpoint: Checkpoint, first_order: Order, photo_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(photo_folder, tmp_path / "other"))
    (other / "glass" / "glass0.png").write_bytes((other / "glass" / "glass1.png").read_bytes())
    with pytest.raises(ConfigError, match="the checkpoint was trained on"):
        TrainingPhotographs(checkpoint, first_order.split, other, PHOTOS)


def test_library_that_is_not_there_is_named_with_what_to_type(
    checkpoint: Checkpoint, photographs: TrainingPhotographs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_executorch, "find_spec", lambda name: None)
    for lower in (lambda: lower_fp32(checkpoint), lambda: lower_int8(checkpoint, photographs)):
        with pytest.raises(ConfigError, match=r"pip install executorch==1\.5\.1"):
            lower()


# --- into the bundle -------------------------------------------------------------------------------------------------


def test_bundle_keeps_all_it_had_and_gains_the_program(bundle: Bundle, int8: bytes) -> None:
    before = contents(bundle.path)
    added = add_to_bundle(bundle, int8, "int8")
    after = contents(bundle.path)
    assert after.pop("model.pte") == int8
    assert {name for name in after if after[name] != before.get(name)} == {"manifest.json"}
    assert set(after) == set(before)
    again = load_bundle(bundle.path)
    assert again.manifest == added.bundle.manifest
    artefact = again.manifest.artefacts["model.pte"]
    assert (artefact.runtime, artefact.precision, artefact.size_bytes) == ("executorch", "int8", len(int8))
    assert artefact.sha256 == sha256_of(bundle.path / "model.pte")
    with ExecuTorchEngine(again) as engine:
        assert self_test(engine, again.golden, again.tolerance_of("int8")) == pytest.approx(added.difference)
    with OnnxRuntimeEngine(again) as other:
        self_test(other, again.golden, again.golden_tolerance)
    assert [path.name for path in bundle.path.parent.iterdir()] == ["stripes"]


def test_second_program_takes_the_firsts_place(bundle: Bundle, int8: bytes, fp32: bytes) -> None:
    add_to_bundle(add_to_bundle(bundle, int8, "int8").bundle, fp32, "fp32")
    assert load_bundle(bundle.path).manifest.artefacts["model.pte"].precision == "fp32"
    assert (bundle.path / "model.pte").read_bytes() == fp32


def test_stale_signature_is_dropped_and_that_is_said(bundle: Bundle, fp32: bytes) -> None:
    assert not add_to_bundle(bundle, fp32, "fp32").unsigned
    (bundle.path / "manifest.sig").write_bytes(b"over the manifest as it was")
    assert add_to_bundle(load_bundle(bundle.path), fp32, "fp32").unsigned
    assert not (bundle.path / "manifest.sig").exists()


def reversed_labels(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(logits[:, ::-1])


@pytest.mark.parametrize(
    ("change", "precision", "error"),
    [
        (reversed_labels, "fp32", "names another top-1"),
        (lambda logits: logits + np.float32(0.01), "fp32", "off by 0.010 at most, allowed 0.001"),
        (lambda logits: logits * np.float32(np.nan), "fp32", "finite: False"),
    ],
)
def test_program_that_answers_otherwise_leaves_the_bundle_as_it_was(
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    precision: Any,
    error: str,
    bundle: Bundle,
    fp32: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def changed(self: ExecuTorchEngine, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, class_maps = genuine(self, images)
        return change(logits), class_maps

    genuine = ExecuTorchEngine.infer
    monkeypatch.setattr(ExecuTorchEngine, "infer", changed)
    before = contents(bundle.path)
    with pytest.raises(GoldenMismatch, match=error):
        add_to_bundle(bundle, fp32, precision)
    assert contents(bundle.path) == before
    assert [path.name for path in bundle.path.parent.iterdir()] == ["stripes"]


def test_file_that_is_no_program_leaves_the_bundle_as_it_was(bundle: Bundle) -> None:
    before = contents(bundle.path)
    with pytest.raises(BundleError, match="ExecuTorch cannot load it"):
        add_to_bundle(bundle, b"no program", "fp32")
    assert contents(bundle.path) == before


def allowing(bundle: Bundle, tolerance: dict[str, float]) -> Bundle:
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"golden_tolerance": tolerance}))


def with_margin(bundle: Bundle, margin: float) -> Bundle:
    """Every golden picture's best two labels so far apart."""
    logits = np.tile(np.array([[margin, 0, -margin]], np.float32), (len(bundle.golden.images), 1))
    return replace(bundle, golden=replace(bundle.golden, logits=logits))


def test_tolerance_is_kept_where_it_is_enough_and_else_twice_the_difference(bundle: Bundle) -> None:
    clear = with_margin(allowing(bundle, {"fp32": 1e-3, "int8": 0.3}), 5.0)
    assert tolerance_for(clear, "int8", 0.15) == 0.3
    assert tolerance_for(clear, "int8", 0.151) == 0.31
    assert tolerance_for(allowing(clear, {"int8": 0.3}), "fp32", 1e-6) == 1e-3
    assert tolerance_for(allowing(clear, {"fp32": 2e-3}), "fp32", 1e-6) == 2e-3
    assert tolerance_for(allowing(clear, {"fp32": 1e-3}), "int8", 0.151) == 0.31


def test_tolerance_that_a_golden_picture_could_not_be_judged_by_is_refused(bundle: Bundle) -> None:
    close = with_margin(allowing(bundle, {"fp32": 1e-3, "int8": 0.3}), 0.31)
    assert tolerance_for(close, "int8", 0.15) == 0.3
    with pytest.raises(BundleError, match=r"off by 0\.200, so that 0\.4 must be allowed.*only 0\.310 apart"):
        tolerance_for(close, "int8", 0.2)


def test_raised_tolerance_stands_in_the_manifest(bundle: Bundle, int8: bytes) -> None:
    tight = allowing(bundle, {"fp32": 1e-3, "int8": 0.001})
    added = add_to_bundle(tight, int8, "int8")
    assert added.tolerance_before == 0.001
    assert load_bundle(bundle.path).golden_tolerance == added.tolerance
    assert 2 * added.difference <= added.tolerance < 2 * added.difference + 0.011


def test_checkpoint_that_the_bundle_was_not_made_from_is_refused(bundle: Bundle, checkpoint: Checkpoint) -> None:
    check_pair(bundle, checkpoint)
    shifted = replace(bundle, golden=replace(bundle.golden, logits=bundle.golden.logits + np.float32(0.01)))
    with pytest.raises(ConfigError, match=r"differ by 0\.01.* give the checkpoint it was made from"):
        check_pair(shifted, checkpoint)
    header = checkpoint.header.model_copy(update={"labels": ("paper", "glass", "trash")})
    with pytest.raises(ConfigError, match="give the checkpoint it was made from"):
        check_pair(bundle, replace(checkpoint, header=header))


# --- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(executorch)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_command_adds_int8_and_says_what_it_did(bundle: Bundle, order: Order) -> None:
    (bundle.path / "manifest.sig").write_bytes(b"over the manifest as it was")
    done = run(bundle.path, order.checkpoint, "--data", order.data, "--photos", 8)
    said = done.output.replace("\n", " ")
    assert done.exit_code == 0
    assert "int8 ranges over 8 training photographs" in said
    assert "on the golden pictures within" in said and "sign" in said and "again" in said
    assert load_bundle(bundle.path).manifest.artefacts["model.pte"].precision == "int8"


def test_command_needs_no_photographs_for_float32(bundle: Bundle, order: Order, tmp_path: Path) -> None:
    done = run(bundle.path, order.checkpoint, "--precision", "fp32", "--data", tmp_path / "none")
    assert done.exit_code == 0
    assert "signature" not in done.output
    assert load_bundle(bundle.path).manifest.artefacts["model.pte"].precision == "fp32"
