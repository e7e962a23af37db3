"""A whole export, from checkpoint to a bundle that the bin accepts."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import export.__main__ as program
from edge.bundle import Bundle, load_bundle, self_test
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import BundleError, GoldenMismatch
from export import pipeline
from export.checkpoint import Checkpoint
from export.pipeline import Order, Summary
from tests.bundles import with_file


@pytest.fixture(scope="module")
def summary(first_order: Order) -> Summary:
    """One export serves the tests that only look at it."""
    return pipeline.export(first_order, lambda line: None)


@pytest.fixture
def graph_at_hand(monkeypatch: pytest.MonkeyPatch, fp32_graph: Path) -> None:
    """The float32 graph is copied instead of exported once more: its own tests are elsewhere."""

    def copy(checkpoint: Checkpoint, path: Path) -> float:
        shutil.copyfile(fp32_graph, path)
        return 0.0

    monkeypatch.setattr(pipeline, "to_onnx", copy)


def test_bundle_is_one_the_bin_accepts(summary: Summary) -> None:
    bundle = load_bundle(summary.bundle.path)
    assert bundle.manifest == summary.bundle.manifest
    assert sorted(file.name for file in bundle.path.iterdir()) == ["golden.npz", "manifest.json", "model.onnx"]
    with OnnxRuntimeEngine(bundle) as engine:
        assert self_test(engine, bundle.golden, bundle.golden_tolerance) == pytest.approx(summary.golden_difference)


def test_manifest_records_both_precisions_on_both_parts_with_counts(summary: Summary) -> None:
    rows = {(row.precision, row.split): row for row in summary.bundle.manifest.provenance.metrics}
    assert set(rows) == {(p, s) for p in ("int8", "fp32") for s in ("validation", "test")}
    assert all(row.total == 15 and row.right >= 14 for row in rows.values())
    assert rows["int8", "test"].command == "python -m train evaluate bundles/stripes --split test"


def test_manifest_names_no_folder_of_this_machine(summary: Summary) -> None:
    text = (summary.bundle.path / "manifest.json").read_text()
    assert str(summary.bundle.path.parent) not in text
    assert str(Path.home()) not in text


def test_thresholds_come_from_the_graph_that_ships(summary: Summary) -> None:
    manifest = summary.bundle.manifest
    assert manifest.precision == "int8"
    assert manifest.temperature == pytest.approx(summary.calibration.temperature, abs=1e-6)
    assert set(manifest.acceptance) == {"glass", "paper", "trash"}
    assert manifest.novelty.threshold == pytest.approx(summary.calibration.novelty_energy, abs=1e-4)
    assert "24 class-balanced training photographs" in manifest.provenance.calibration


@pytest.mark.usefixtures("graph_at_hand")
def test_bundle_that_fails_its_own_test_is_never_written(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*args: object, **options: object) -> object:
        chosen = genuine(*args, **options)  # type: ignore[arg-type]
        golden = replace(chosen.golden, logits=chosen.golden.logits + np.float32(9))
        return replace(chosen, golden=golden)

    genuine = pipeline.choose_golden
    monkeypatch.setattr(pipeline, "choose_golden", wrong)
    with pytest.raises(GoldenMismatch, match="off by"):
        pipeline.export(order, lambda line: None)
    assert list(order.out.parent.iterdir()) == []


@pytest.mark.usefixtures("graph_at_hand")
def test_comparison_measures_every_recipe_and_packs_nothing(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    two = {name: pipeline.RECIPES[name] for name in ("minmax", "minmax-7bit")}
    monkeypatch.setattr(pipeline, "RECIPES", two)
    rows = list(pipeline.compare(order, lambda line: None))
    assert [row.name for row in rows] == ["float32", "minmax", "minmax-7bit"]
    assert all(row.total == 15 for row in rows)
    assert rows[0].rms_difference == 0 < rows[1].rms_difference
    assert not order.out.exists()


def test_command_says_what_is_wrong_and_exits_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["export", str(tmp_path / "none.pt")])
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 3
    said = capsys.readouterr().err
    assert said == f"error: {tmp_path}/none.pt: no such file; expected best.pt of a fit (python -m train fit)\n"


def test_unknown_recipe_is_refused_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["export", "best.pt", "--recipe", "magic"])
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 2
    assert "percentile-99.99" in capsys.readouterr().err


@pytest.mark.usefixtures("graph_at_hand")
def test_command_prints_both_precisions_side_by_side(
    order: Order, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", order.out, "--data", order.data, "--golden", order.golden, "--photos", "8"]
    monkeypatch.setattr(sys, "argv", ["export", str(order.checkpoint), *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("float32", "int8", "validation", "test", "/15", "MB", "temperature", "packed"))
    assert (order.out / "manifest.json").is_file()


def with_graph(bundle: Bundle, graph: onnx.ModelProto, folder: Path) -> Bundle:
    """The bundle with another graph, which its manifest vouches for."""
    return with_file(bundle, graph.SerializeToString(), folder)


def test_graph_that_carries_other_labels_is_refused_by_the_bin(summary: Summary, tmp_path: Path) -> None:
    graph = onnx.load(summary.bundle.model_path)
    onnx.helper.set_model_props(graph, {"labels": '["paper", "glass", "trash"]'})
    with pytest.raises(BundleError, match="the bundle is mislabelled"):
        OnnxRuntimeEngine(with_graph(summary.bundle, graph, tmp_path)).__enter__()


def test_graph_with_other_outputs_is_refused_by_the_bin(summary: Summary, tmp_path: Path) -> None:
    graph = onnx.load(summary.bundle.model_path)
    del graph.graph.output[1]
    with pytest.raises(BundleError, match=r"outputs \['logits'\]; expected image → logits, class_maps"):
        OnnxRuntimeEngine(with_graph(summary.bundle, graph, tmp_path)).__enter__()
