from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import cv2
import numpy as np
import pytest

from edge.bundle import Preprocessing
from edge.errors import ConfigError
from train import evaluate as evaluating
from train.evaluate import Evaluation, Share, class_table, write_json
from train.report import draw_confusion, draw_curves


def evaluation(seen: np.ndarray | None = None) -> Evaluation:
    """Four photographs, three right; the second class's second one is taken for the first class."""
    logits = np.array([[2, 0], [3, 0], [0, 1], [1, 0]], np.float32)
    return Evaluation(("glass", "metal"), "test", np.array([0, 0, 1, 1]), logits, seen)


def test_figures_come_with_counts_and_interval(tmp_path: Path) -> None:
    write_json(evaluation(), {"model": "m"}, tmp_path / "evaluation.json")
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert (written["model"], written["split"]) == ("m", "test")
    assert (written["right"], written["total"], written["accuracy"]) == (3, 4, 0.75)
    assert written["interval_95"][0] < 0.75 < written["interval_95"][1]
    assert written["confusion"] == [[2, 0], [1, 1]]
    assert written["classes"]["metal"]["recall"] == 0.5 and written["classes"]["glass"]["support"] == 2
    assert written["by_object"] == {}


def test_photographs_of_seen_objects_are_counted_apart() -> None:
    shares = evaluation(np.array([True, False, False, True])).by_object()
    assert [(s.right, s.total) for s in shares.values()] == [(1, 2), (2, 2)]
    assert str(Share(359, 384)) == "359/384 = 93.49% (95 % interval 90.6% to 95.6%)"


def test_class_table_has_a_line_for_each_class() -> None:
    header, glass, metal = class_table(evaluation()).splitlines()
    assert header.split() == ["precision", "recall", "F1", "support"]
    assert glass.split() == ["glass", "66.7%", "100.0%", "0.800", "2"]
    assert metal.split() == ["metal", "100.0%", "50.0%", "0.667", "2"]


def test_pictures_are_drawn(tmp_path: Path) -> None:
    draw_confusion(evaluation(), tmp_path / "confusion.png", subject="model 1.0.0 (int8)")
    history = [
        {"epoch": e, "loss": 1 / e, "accuracy": 0.5, "validation_nll": 1 / e, "validation_accuracy": 0.9,
         "validation_right": 9, "validation_total": 10}
        for e in (1, 2)
    ]  # fmt: skip
    draw_curves(history, tmp_path / "curves.png", subject="resnet18")
    for name in ("confusion.png", "curves.png"):
        picture = cv2.imread(str(tmp_path / name))
        assert picture is not None and picture.shape[1] > 600 and picture.std() > 5


class TintEngine:
    """Names the tint rightly, by looking: RGB channel 2 is blue, 1 green, 0 red."""

    def __init__(self, bundle: Any) -> None:
        channels = {"red": 0, "green": 1, "blue": 2}
        self._channels = [channels.get(label, 0) for label in bundle.manifest.labels]

    def __enter__(self) -> TintEngine:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def infer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert images.shape == (1, 32, 32, 3) and images.dtype == np.uint8
        logits = images.mean(axis=(1, 2))[:, self._channels].astype(np.float32)
        return logits, np.zeros((1, 3, 7, 7), np.float32)


def bundle(labels: list[str]) -> Any:
    spec = Preprocessing(size_px=32, resize="squash", interpolation="area", colour="rgb")
    return SimpleNamespace(manifest=SimpleNamespace(labels=labels, preprocessing=spec))


def test_the_bundles_own_order_of_labels_is_used(photo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "OnnxRuntimeEngine", TintEngine)
    found = evaluating.evaluate(bundle(["red", "blue", "green"]), photo_folder, "test")
    assert str(found.overall).startswith("9/9")
    assert found.labels == ("red", "blue", "green") and found.seen is None
    assert len(evaluating.evaluate(bundle(["green", "blue", "red"]), photo_folder, "validation").targets) == 6


def test_photographs_of_other_classes_than_the_bundles_are_refused(photo_folder: Path) -> None:
    with pytest.raises(ConfigError, match="found classes blue, green, red; the bundle knows glass, metal"):
        evaluating.evaluate(bundle(["glass", "metal"]), photo_folder, "test")
