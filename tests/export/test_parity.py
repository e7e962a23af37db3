"""Every engine says what torch says, or nothing is packed."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import export.__main__ as program
from edge.bundle import Bundle
from edge.engines import kinds
from edge.errors import BundleError
from export import parity, pipeline
from export.parity import Parity, allowed, compare_engines, parity_of, refuse_intolerable
from export.pipeline import Order, Source


@pytest.fixture(scope="module")
def packed(first_order: Order, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    order = replace(first_order, out=tmp_path_factory.mktemp("parity") / "stripes")
    return pipeline.export(order, lambda line: None).bundle


@pytest.fixture(scope="module")
def source(first_order: Order) -> Source:
    return Source(first_order.checkpoint, first_order.split, first_order.data)


@pytest.mark.parametrize(
    ("total", "photographs"), [(15, 3), (100, 3), (300, 3), (377, 3), (399, 3), (400, 4), (1000, 10)]
)
def test_one_photograph_in_a_hundred_may_get_another_label_and_three_of_few(total: int, photographs: int) -> None:
    assert allowed(total) == photographs


def test_figures_are_counted_from_the_logits() -> None:
    reference = np.array([[2, 0], [0, 2], [1, 0]], np.float32)
    logits = np.array([[2, 0], [3, 2], [1, 0.5]], np.float32)
    row = parity_of("some", logits, reference, np.array([0, 1, 1]))
    assert (row.right, row.total, row.same_top1) == (1, 3, 2)
    assert row.largest_difference == 3.0
    assert row.rms_difference == pytest.approx(np.sqrt((9 + 0.25) / 6))


def test_four_of_a_hundred_are_too_many_and_the_refusal_says_so() -> None:
    refuse_intolerable([Parity("fine", 95, 100, 99), Parity("absent", why="no library")])
    with pytest.raises(BundleError, match=r"coarse names another label .* on 4 of 100 .* allowed 3"):
        refuse_intolerable([Parity("fine", 95, 100, 99), Parity("coarse", 95, 100, 96)])


def test_every_kind_of_engine_is_run_or_says_why_not(packed: Bundle, source: Source) -> None:
    images, targets = source.part(source.split.validation, "validation")
    rows = list(compare_engines(packed, source.checkpoint.reference_logits, images, targets))
    assert rows[0] == Parity("torch-fp32", rows[0].right, 15, 15)
    run = {row.engine: row for row in rows if row.why is None}
    assert {"torch-fp32", "onnxruntime-int8", "openvino-int8"} <= set(run)
    assert all(row.same_top1 >= 14 and row.tolerable for row in run.values())
    assert 0 < run["onnxruntime-int8"].largest_difference < packed.golden_tolerance * 3
    assert len(rows) == 1 + len(kinds.KINDS)
    reasons = {row.engine: row.why for row in rows if row.why is not None}
    assert "model.pte" in str(reasons["executorch"]), "this bundle has none"


def test_an_engine_that_fails_its_golden_test_is_told_and_not_counted(
    packed: Bundle, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(packed, golden=replace(packed.golden, logits=packed.golden.logits + np.float32(50)))
    monkeypatch.setattr(parity, "KINDS", ("onnxruntime",))
    images, targets = source.part(source.split.validation, "validation")
    _, row = compare_engines(wrong, source.checkpoint.reference_logits, images, targets)
    assert "golden self-test is off by" in str(row.why)


def test_a_bundle_whose_int8_form_differs_too_often_is_never_written(
    order: Order, fp32_graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(path: Path, images: NDArray[np.uint8], *, what: str) -> NDArray[np.float32]:
        logits = genuine(path, images, what=what)
        return np.roll(logits, 1, axis=1) if what == "int8, validation" else logits

    def copy(checkpoint: Any, path: Path) -> float:
        shutil.copyfile(fp32_graph, path)
        return 0.0

    genuine = pipeline.logits_of
    monkeypatch.setattr(pipeline, "logits_of", turned)
    monkeypatch.setattr(pipeline, "to_onnx", copy)
    with pytest.raises(BundleError, match="int8 names another label than float32 torch on 15 of 15"):
        pipeline.export(order, lambda line: None)
    assert not order.out.exists()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        program.main()
    return int(caught.value.code or 0)


def test_the_command_prints_a_row_an_engine_and_the_reasons(
    packed: Bundle, first_order: Order, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "parity", packed.path, first_order.checkpoint, "--data", first_order.data) == 0
    said = capsys.readouterr().out
    assert "torch-fp32" in said and "onnxruntime-int8" in said and "not run: tensorrt" in said
    assert "15/15" in said


def test_the_command_fails_where_an_engine_is_out_of_tolerance(
    packed: Bundle, first_order: Order, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    genuine = parity.logits_from
    monkeypatch.setattr(parity, "logits_from", lambda *args: np.roll(genuine(*args), 1, axis=1))
    assert run(monkeypatch, "parity", packed.path, first_order.checkpoint, "--data", first_order.data) == 4
    assert "names another label than float32 torch" in capsys.readouterr().err
