"""The model tab: what sorts, and what is known of it."""

from __future__ import annotations

from typing import Any

from edge.console.model import model_of
from edge.control import BundleView, EngineView, MetricsView, ModelResult


def a_model(**changes: Any) -> ModelResult:
    metrics = {"right": 367, "total": 384, "accuracy": 0.9557, "interval95": (0.93, 0.972), "macro_f1": 0.944}
    known: dict[str, Any] = {
        "name": "resnet50-trashnet",
        "version": "0.3.0",
        "labels": ["glass", "metal"],
        "signed_by": "maker",
        "facts": {"Licence": "<MIT>"},
        "metrics": [MetricsView(precision="int8", split="test", **metrics)],
        "bundles": [
            BundleView(slot="config", version="0.3.0", current=True),
            BundleView(slot="a", version=None, current=False),
        ],
        "engine": "onnxruntime-int8",
        "engines": [],
        "pictures": ["confusion"],
    }
    return ModelResult(**(known | changes))


def test_the_model_is_told_with_figures_bundles_and_report() -> None:
    shown = model_of(a_model())
    for text in ("signed by maker", "95.6% (367 of 384)", "93.0 to 97.2%", "cannot be read", "report/confusion.png"):
        assert text in shown
    assert "<MIT>" not in shown and "&lt;MIT&gt;" in shown


def test_engines_are_told_as_tune_measured_them_or_how_to_measure() -> None:
    assert "python -m edge tune" in model_of(a_model())
    rows = [
        EngineView(engine="onnxruntime", precision="int8", off_by=0.1234, median_ms=24.02, why=None),
        EngineView(engine="tensorrt", precision=None, off_by=None, median_ms=None, why="not installed"),
    ]
    shown = model_of(a_model(engines=rows))
    for text in ("0.123", "24.0 ms", "may sort", "not installed"):
        assert text in shown


def test_a_model_that_nobody_signed_and_without_a_report_says_so() -> None:
    shown = model_of(a_model(signed_by=None, pictures=[]))
    assert "not signed" in shown and "The bundle has none." in shown
