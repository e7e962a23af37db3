"""The ExecuTorch engine runs a bundle's model.pte and refuses what is none. Skipped where its libraries are missing.

The program is a small one, made here: how a network becomes a program is tested with export.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import Bundle, Golden, load_bundle, read_manifest, self_test, sha256_of
from edge.bundle.manifest import Artefact
from edge.engines.executorch import ExecuTorchEngine, missing
from edge.errors import BundleError

torch = pytest.importorskip("torch")
pytest.importorskip("executorch")

Network = Callable[[Any], Any]
SHIPPED = Path(__file__).parents[2] / "models" / "resnet50-trashnet"
SIDE = read_manifest(SHIPPED / "manifest.json").preprocessing.size_px
CELLS = SIDE // 32
"""Of a class map's side."""


def program_of(forward: Network, side: int = SIDE) -> bytes:
    """A network of one picture (1, side, side, 3) uint8 as an ExecuTorch program."""

    class Net(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, image: Any) -> Any:
            return forward(image)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from executorch.exir import to_edge_transform_and_lower

        example = (torch.zeros(1, side, side, 3, dtype=torch.uint8),)
        return bytes(to_edge_transform_and_lower(torch.export.export(Net(), example)).to_executorch().buffer)


def patches(image: Any) -> Any:
    """(1, SIDE, SIDE, 3) → logits (1, 6), class_maps (1, 6, CELLS, CELLS): means of 32 x 32 patches, six ways."""
    grey = image.float().mean(dim=3).reshape(1, 1, CELLS, 32, CELLS, 32).mean(dim=(3, 5))
    class_maps = grey * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape(1, 6, 1, 1) / 255
    return class_maps.mean(dim=(2, 3)), class_maps


def with_program(bundle: Bundle, program: bytes, folder: Path) -> Bundle:
    """The bundle as it would be read from `folder`, with this model.pte."""
    path = folder / "model.pte"
    path.write_bytes(program)
    artefact = Artefact(sha256=sha256_of(path), size_bytes=len(program), runtime="executorch", precision="fp32")
    artefacts = {**bundle.manifest.artefacts, "model.pte": artefact}
    return dataclasses.replace(
        bundle, path=folder, manifest=bundle.manifest.model_copy(update={"artefacts": artefacts})
    )


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle(SHIPPED)


@pytest.fixture(scope="module")
def bundle(shipped: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With the patches' means as its network, and a golden set that says so."""
    with_patches = with_program(shipped, program_of(patches), tmp_path_factory.mktemp("bundle"))
    images = shipped.golden.images
    logits = np.concatenate([patches(torch.from_numpy(image[np.newaxis]))[0].numpy() for image in images])
    return dataclasses.replace(with_patches, golden=Golden(images, logits, shipped.golden.labels))


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Iterator[ExecuTorchEngine]:
    with ExecuTorchEngine(bundle) as engine:
        yield engine


# --- answers ---------------------------------------------------------------------------------------------------------


def test_golden_self_test_is_passed_in_the_precision_of_the_program(bundle: Bundle, engine: ExecuTorchEngine) -> None:
    assert (engine.name, engine.precision) == ("executorch-fp32", "fp32")  # the bundle's model.onnx is int8
    assert self_test(engine, bundle.golden, bundle.tolerance_of(engine.precision)) < 1e-5


def test_several_pictures_are_answered_as_one_by_one(bundle: Bundle, engine: ExecuTorchEngine) -> None:
    logits, class_maps = engine.infer(bundle.golden.images[:3])
    assert (logits.shape, class_maps.shape) == ((3, 6), (3, 6, CELLS, CELLS))
    assert (logits.dtype, class_maps.dtype) == (np.float32, np.float32)
    for i in range(3):
        single = engine.infer(bundle.golden.images[i : i + 1])
        assert np.array_equal(single[0][0], logits[i]) and np.array_equal(single[1][0], class_maps[i])


def test_an_answer_does_not_change_when_the_next_picture_comes(bundle: Bundle, engine: ExecuTorchEngine) -> None:
    answer = engine.infer(bundle.golden.images[:1])
    before = [array.copy() for array in answer]
    other = engine.infer(bundle.golden.images[1:2])
    assert not np.array_equal(other[0], answer[0])
    assert all(np.array_equal(array, copy) for array, copy in zip(answer, before, strict=True))


def test_read_only_and_turned_pictures_are_answered_too(bundle: Bundle, engine: ExecuTorchEngine) -> None:
    image = bundle.golden.images[:1].copy()
    turned = image.transpose(0, 2, 1, 3)  # a view whose rows do not lie one after another
    expected = engine.infer(np.ascontiguousarray(turned))
    image.flags.writeable = False
    for answer, wanted in zip(engine.infer(image.transpose(0, 2, 1, 3)), expected, strict=True):
        assert np.array_equal(answer, wanted)


def test_two_engines_do_not_disturb_each_other(bundle: Bundle, engine: ExecuTorchEngine) -> None:
    before = engine.infer(bundle.golden.images[:1])[0]
    with ExecuTorchEngine(bundle) as other:
        assert np.array_equal(other.infer(bundle.golden.images[:1])[0], before)
    assert np.array_equal(engine.infer(bundle.golden.images[:1])[0], before)


def test_closed_engine_says_so_and_closes_twice(bundle: Bundle) -> None:
    engine = ExecuTorchEngine(bundle)
    with engine:
        pass
    engine.__exit__()
    with pytest.raises(RuntimeError, match="not open"):
        engine.infer(bundle.golden.images[:1])


def test_threads_that_cannot_be_had_are_said(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), ExecuTorchEngine(bundle, threads=977):
        pass
    assert "977 were asked for; ExecuTorch does not let them be chosen" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING), ExecuTorchEngine(bundle):
        pass
    assert caplog.text == ""


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", ["executorch", "torch"])
def test_library_that_is_not_there_is_named_with_what_to_type(
    absent: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert missing(bundle) is None
    monkeypatch.setattr("edge.engines.executorch.find_spec", lambda name: None if name == absent else name)
    assert missing(bundle) == f"{absent} not installed (pip install executorch torch)"
    with pytest.raises(BundleError, match=f"executorch-fp32: {absent} not installed"), ExecuTorchEngine(bundle):
        pass


def test_bundle_without_a_program_is_named_with_what_to_type(shipped: Bundle) -> None:
    bare = {name: artefact for name, artefact in shipped.manifest.artefacts.items() if name != "model.pte"}
    bundle = dataclasses.replace(shipped, manifest=shipped.manifest.model_copy(update={"artefacts": bare}))
    assert missing(bundle) == f"{shipped.path} has no model.pte (python -m export executorch {shipped.path} BEST.PT)"
    with pytest.raises(BundleError, match=r"has no model\.pte"), ExecuTorchEngine(bundle):
        pass


@pytest.mark.parametrize("wrong", [{"runtime": "onnxruntime"}, {"precision": None}])
def test_program_that_the_manifest_describes_otherwise_is_refused(wrong: dict[str, Any], bundle: Bundle) -> None:
    artefact = bundle.manifest.artefacts["model.pte"].model_copy(update=wrong)
    artefacts = {**bundle.manifest.artefacts, "model.pte": artefact}
    other = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"artefacts": artefacts}))
    assert "expected executorch with a precision" in str(missing(other))


def cut(program: bytes) -> bytes:
    return program[: len(program) // 2]


@pytest.mark.parametrize("damage", [lambda program: b"no program" * 10, cut, lambda program: b"!"])
def test_file_that_is_no_program_is_refused(damage: Callable[[bytes], bytes], bundle: Bundle, tmp_path: Path) -> None:
    other = with_program(bundle, damage((bundle.path / "model.pte").read_bytes()), tmp_path)
    with pytest.raises(BundleError, match=r"model\.pte: ExecuTorch cannot load it"), ExecuTorchEngine(other):
        pass


@pytest.mark.parametrize(
    ("network", "side", "found"),
    [
        (lambda image: patches(image)[0], SIDE, f"uint8 (1, {SIDE}, {SIDE}, 3) → float32 (1, 6)"),
        (lambda image: patches(image)[::-1], SIDE, f"→ float32 (1, 6, {CELLS}, {CELLS}), float32 (1, 6)"),
        (lambda image: (patches(image)[0][:, :5], patches(image)[1]), SIDE, "→ float32 (1, 5), float32 (1, 6, "),
        (lambda image: (patches(image)[0].int(), patches(image)[1]), SIDE, "→ type 3 (1, 6), float32 (1, 6, "),
        (
            lambda image: patches(image.repeat(1, 2, 2, 1)),
            SIDE // 2,
            f"uint8 (1, {SIDE // 2}, {SIDE // 2}, 3) → float32 (1, 6)",
        ),
    ],
)
def test_program_of_other_inputs_or_outputs_is_refused(
    network: Network, side: int, found: str, bundle: Bundle, tmp_path: Path
) -> None:
    other = with_program(bundle, program_of(network, side), tmp_path)
    with pytest.raises(BundleError) as caught, ExecuTorchEngine(other):
        pass
    assert found in str(caught.value)
    assert f"expected uint8 (1, {SIDE}, {SIDE}, 3) → float32 (1, 6), float32 (1, 6, h, w)" in str(caught.value)
