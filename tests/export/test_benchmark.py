"""The benchmark measures every engine that there is, beside eager PyTorch, and leaves a picture and the numbers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

import export.__main__ as program
from edge.errors import BundleError
from export import benchmark, pipeline
from export.pipeline import Order


def test_the_command_leaves_a_picture_and_numbers_of_every_engine(
    first_order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = pipeline.export(replace(first_order, out=tmp_path / "stripes"), lambda line: None).bundle
    arguments = ["benchmark", bundle.path, first_order.checkpoint, "--data", first_order.data]
    arguments += ["--rounds", 1, "--threads", 1]
    monkeypatch.setattr(sys, "argv", ["export", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        program.main()
    assert caught.value.code == 0
    document = json.loads((bundle.path / "report" / "benchmark.json").read_text())
    assert (document["model_sha256"], document["size_px"], document["threads"]) == (bundle.model_id.sha256, 64, 1)
    rows = {row["engine"]: row for row in document["engines"]}
    base = rows["torch-fp32, 224 px"]
    assert base["ratio"] == 1.0
    for name in ("torch-fp32, 64 px", "onnxruntime-int8", "openvino-int8"):
        row = rows[name]
        assert row["ratio"] == pytest.approx(base["median_ms"] / row["median_ms"])
        assert row["median_ms"] <= row["p90_ms"] and row["total"] == 15 and row["right"] >= 14
        assert row["resident_mib"] > 30 and row["size_mb"] > 1
    assert "tensorrt" in rows and rows["tensorrt"]["why"]
    picture = cv2.imread(str(bundle.path / "report" / "benchmark.png"))
    assert picture is not None and picture.shape[1] > 800 and picture.std() > 10
    said = capsys.readouterr().out
    assert "onnxruntime-int8" in said and "not run: tensorrt" in said.replace("\n", " ")


def test_an_engine_whose_process_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"onnxruntime: its process ended with 1: .*manifest.json"):
        benchmark._resident_mib("onnxruntime", tmp_path / "nothing", 1, 64)
