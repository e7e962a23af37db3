"""A bundle that is not exactly what was packed does not sort, and the refusal says what is wrong with it."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.bundle import Bundle, Golden, load_bundle, self_test, sha256_of, write_golden
from edge.bundle.manifest import Promise
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import BundleError, GoldenMismatch

SHIPPED = Path(__file__).parents[3] / "models" / "resnet50-trashnet"


PROMISE = {"promised": 0.02, "min_probability": 0.9, "sorted": 300, "wrong": 5, "total": 377}


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle(SHIPPED)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A copy of the shipped bundle, to be damaged; 24 MB, so that it is not left to pytest to tidy away."""
    yield Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))
    shutil.rmtree(tmp_path / "bundle")


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert caught.value.exit_code == 4
    return str(caught.value)


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def vouch_for(folder: Path, name: str) -> None:
    """Make the manifest agree with a changed file, as a careful forger or a careless packer would."""
    file = folder / name
    fresh = {"sha256": sha256_of(file), "size_bytes": file.stat().st_size}
    rewrite_manifest(folder, lambda document: document["artefacts"][name].update(fresh))


def test_shipped_bundle_is_whole_int8_and_small(shipped: Bundle) -> None:
    assert shipped.manifest.precision == "int8"
    assert shipped.manifest.artefacts["model.onnx"].size_bytes < 26e6
    assert sorted(shipped.manifest.labels) == ["cardboard", "glass", "metal", "paper", "plastic", "trash"]


def test_shipped_bundle_passes_its_own_golden_test(shipped: Bundle) -> None:
    with OnnxRuntimeEngine(shipped) as engine:
        assert self_test(engine, shipped.golden, shipped.golden_tolerance) <= shipped.golden_tolerance


def test_shipped_test_figure_was_earned_by_the_shipped_precision(shipped: Bundle) -> None:
    (row,) = (m for m in shipped.manifest.provenance.metrics if (m.precision, m.split) == ("int8", "test"))
    assert row.total == 384
    assert row.right / row.total >= 0.92


def test_promises_are_read_and_a_bundle_without_them_makes_none(folder: Path) -> None:
    rewrite_manifest(folder, lambda document: document.pop("contamination", None))
    assert load_bundle(folder).manifest.contamination == []
    rewrite_manifest(folder, lambda document: document.update(contamination=[PROMISE]))
    assert load_bundle(folder).manifest.contamination == [Promise.model_validate(PROMISE)]


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_one_changed_byte_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    said = refusal(folder)
    assert f"{name}: sha256" in said and "the file was changed" in said


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_truncated_file_is_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    assert f"{name}: {len(content) - 1} bytes, the manifest says {len(content)}; truncated" in refusal(folder)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{name}: missing, the manifest names it" in refusal(folder)


def test_folder_that_is_no_bundle_is_refused_with_what_one_is(tmp_path: Path) -> None:
    said = refusal(tmp_path / "nothing")
    assert "manifest.json: No such file" in said and "model.onnx, golden.npz" in said


def test_cut_off_manifest_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:200])
    assert "manifest.json: not JSON" in refusal(folder)


def test_manifest_of_another_shape_is_refused(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")
    assert "manifest.json: manifest: Input should be" in refusal(folder)


# --- manifest --------------------------------------------------------------------------------------------------------


def test_newer_schema_is_refused_and_asks_for_a_newer_program(folder: Path) -> None:
    # With a key that only the newer schema knows: the reader must hear of the schema, not of the key.
    rewrite_manifest(folder, lambda document: document.update(schema=2, mood="sunny"))
    assert "manifest.json: schema 2, this program reads up to 1; update the program" in refusal(folder)


@pytest.mark.parametrize("schema", ["2", 2.0, 0, None])
def test_schema_that_is_no_known_number_is_refused(folder: Path, schema: object) -> None:
    rewrite_manifest(folder, lambda document: document.update(schema=schema))
    assert "manifest.json: schema" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(mood="sunny"), "mood: Extra inputs are not permitted (found 'sunny')"),
        (lambda d: d["provenance"].update(mood="sunny"), "provenance.mood: Extra inputs"),
        (lambda d: d.pop("temperature"), "temperature: Field required"),
        (lambda d: d.update(temperature=0), "temperature: Input should be greater than 0 (found 0)"),
        (lambda d: d.update(temperature=math.nan), "temperature: Input should be"),
        (lambda d: d["novelty"].update(threshold=math.nan), "novelty.threshold: Input should be a finite number"),
        (lambda d: d["golden_tolerance"].update(int8=math.nan), "golden_tolerance.int8: Input should be"),
        (lambda d: d["golden_tolerance"].update(int8=math.inf), "golden_tolerance.int8: Input should be"),
        (lambda d: d["golden_tolerance"].update(int8=0), "golden_tolerance.int8: Input should be greater than 0"),
        (lambda d: d["golden_tolerance"].pop("int8"), "golden_tolerance: none for int8"),
        (lambda d: d["preprocessing"].update(resize="crop"), "preprocessing.resize: Input should be 'squash'"),
        (lambda d: d["preprocessing"].update(colour="bgr"), "preprocessing.colour: Input should be 'rgb'"),
        (lambda d: d["labels"].append("glass"), "names a label twice"),
        (lambda d: d["acceptance"].pop("glass"), "acceptance: its labels"),
        (lambda d: d["acceptance"].update(glass=1.5), "acceptance.glass: Input should be less than or equal to 1"),
        (lambda d: d.update(contamination=[{**PROMISE, "promised": 0}]), "contamination.0.promised: Input should be"),
        (lambda d: d.update(contamination=[{**PROMISE, "least": 1}]), "contamination.0.least: Extra inputs"),
        (lambda d: d.update(contamination=[PROMISE, PROMISE]), "contamination: [0.02, 0.02] promises one share twice"),
        (lambda d: d["artefacts"].pop("model.onnx"), "artefacts: model.onnx is missing"),
        (lambda d: d["artefacts"].pop("golden.npz"), "artefacts: golden.npz is missing"),
        (lambda d: d["artefacts"]["model.onnx"].update(sha256="0"), "artefacts.model.onnx.sha256: String should match"),
        (
            lambda d: d["artefacts"].update({"../secret": d["artefacts"]["golden.npz"]}),
            "artefacts: '../secret' is not a plain file name",
        ),
    ],
)
def test_wrong_field_is_refused_by_its_name(
    folder: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    rewrite_manifest(folder, change)
    message = refusal(folder)
    assert "manifest.json: " in message and said in message


# --- labels and golden set -------------------------------------------------------------------------------------------


def swap_first_two(names: list[str]) -> list[str]:
    return [names[1], names[0], *names[2:]]


def test_labels_in_another_order_are_refused(folder: Path, shipped: Bundle) -> None:
    swapped = swap_first_two(shipped.manifest.labels)
    rewrite_manifest(folder, lambda document: document.update(labels=swapped))
    said = refusal(folder)
    assert f"the manifest's labels {swapped} are not the golden set's" in said


def test_labels_swapped_everywhere_but_in_the_graph_are_refused_by_the_engine(folder: Path, shipped: Bundle) -> None:
    swapped = swap_first_two(shipped.manifest.labels)
    rewrite_manifest(folder, lambda document: document.update(labels=swapped))
    write_golden(dataclasses.replace(shipped.golden, labels=tuple(swapped)), folder / "golden.npz")
    vouch_for(folder, "golden.npz")
    engine = OnnxRuntimeEngine(load_bundle(folder))
    with pytest.raises(BundleError, match="the bundle is mislabelled"), engine:
        pass


def test_replaced_golden_set_is_refused(folder: Path, shipped: Bundle) -> None:
    write_golden(dataclasses.replace(shipped.golden, logits=shipped.golden.logits + 1), folder / "golden.npz")
    assert "golden.npz: " in refusal(folder)


def test_golden_set_changed_with_its_hash_is_refused_by_the_self_test(folder: Path, shipped: Bundle) -> None:
    write_golden(dataclasses.replace(shipped.golden, logits=shipped.golden.logits + 1), folder / "golden.npz")
    vouch_for(folder, "golden.npz")
    bundle = load_bundle(folder)
    with OnnxRuntimeEngine(bundle) as engine, pytest.raises(GoldenMismatch, match="golden self-test is off by"):
        self_test(engine, bundle.golden, bundle.golden_tolerance)


def test_golden_pictures_of_another_size_are_refused(folder: Path, shipped: Bundle) -> None:
    write_golden(dataclasses.replace(shipped.golden, images=shipped.golden.images[:, :64, :64]), folder / "golden.npz")
    vouch_for(folder, "golden.npz")
    size_px = shipped.manifest.preprocessing.size_px
    assert f"golden pictures are (64, 64), the manifest's size_px is {size_px}" in refusal(folder)


def one_array() -> bytes:
    """What np.save writes: an array, and no set of them."""
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize("content", [b"PK\x03\x04 not really", b"text", one_array()])
def test_golden_file_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "golden.npz").write_bytes(content)
    vouch_for(folder, "golden.npz")
    assert "golden.npz: not a golden set" in refusal(folder)


def test_model_that_is_no_graph_is_refused_by_the_engine(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not a graph")
    vouch_for(folder, "model.onnx")
    engine = OnnxRuntimeEngine(load_bundle(folder))
    with pytest.raises(BundleError, match=r"model\.onnx: ONNX Runtime cannot load it"), engine:
        pass


# --- the self-test ---------------------------------------------------------------------------------------------------


class Answering:
    """An engine that answers the golden pictures in turn, after `change` has been at the right logits (1, K)."""

    name = "answering"

    def __init__(self, golden: Golden, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        self._logits = iter(golden.logits)
        self._change = change

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits = self._change(next(self._logits)[np.newaxis].copy())
        return logits, np.zeros((*logits.shape, 7, 7), np.float32)


def with_value(value: float) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """One logit is `value`."""

    def change(logits: NDArray[np.float32]) -> NDArray[np.float32]:
        logits[0, 0] = value
        return logits

    return change


def test_engine_that_answers_as_the_reference_passes(shipped: Bundle) -> None:
    assert self_test(Answering(shipped.golden, lambda logits: logits), shipped.golden, 0.001) == 0.0


def test_engine_a_little_off_passes_and_the_difference_is_told(shipped: Bundle) -> None:
    engine = Answering(shipped.golden, lambda logits: logits + np.float32(0.2))
    assert self_test(engine, shipped.golden, 0.25) == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda logits: logits + np.float32(0.3), "off by 0.300 at most, allowed 0.250"),
        (lambda logits: logits[:, :-1], "gave logits"),
        (with_value(math.nan), "finite: False"),
        (with_value(math.inf), "finite: False"),
    ],
)
def test_engine_that_differs_is_refused(
    shipped: Bundle, change: Callable[[NDArray[np.float32]], NDArray[np.float32]], said: str
) -> None:
    with pytest.raises(GoldenMismatch, match=r"^answering: golden self-test") as caught:
        self_test(Answering(shipped.golden, change), shipped.golden, 0.25)
    assert said in str(caught.value)


def test_engine_within_tolerance_that_names_another_label_is_refused(shipped: Bundle) -> None:
    close = dataclasses.replace(shipped.golden, logits=shipped.golden.logits * np.float32(0.01))
    engine = Answering(close, lambda logits: -logits)
    with pytest.raises(GoldenMismatch, match="names another top-1"):
        self_test(engine, close, 0.25)
