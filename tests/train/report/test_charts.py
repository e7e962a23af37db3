from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.train.report.conftest import epoch
from train.evaluation.figures import Evaluation
from train.report import charts, draw_confusion, draw_curves, draw_per_class
from train.report.charts import kept_epoch


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, instead of their files."""
    figures: list[Figure] = []
    monkeypatch.setattr(charts, "save", lambda figure, path: figures.append(figure))
    return figures


def evaluation(labels: tuple[str, ...] = ("glass", "a$b$")) -> Evaluation:
    """Four photographs, three right."""
    logits = np.array([[2, 0], [3, 0], [0, 1], [1, 0]], np.float32)
    return Evaluation(labels, "test", np.array([0, 0, 1, 1]), logits, None)


def test_pictures_are_written(tmp_path: Path) -> None:
    draw_confusion(evaluation(), tmp_path / "new" / "confusion.png", subject="model 1.0.0 (int8)")
    draw_per_class(evaluation(), tmp_path / "new" / "classes.png", subject="float32")
    for path in (tmp_path / "new").iterdir():
        picture = cv2.imread(str(path))
        assert picture is not None and picture.shape[1] > 600 and picture.std() > 5


def test_every_class_has_three_bars_with_whiskers(drawn: list[Figure]) -> None:
    draw_per_class(evaluation(), Path("classes.png"), subject="float32")
    (axes,) = drawn[0].axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([200 / 3, 100, 100, 50, 80, 200 / 3])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["glass\n(2)", "a$b$\n(2)"]
    assert axes.get_ylim()[0] < 20  # an interval of two photographs is wide, and none is cut off


def lines(history: list[dict[str, Any]], drawn: list[Figure]) -> list[set[str]]:
    draw_curves(history, Path("curves.png"), subject="resnet18")
    return [{text.get_text() for text in axes.get_legend().get_texts()} for axes in drawn[-1].axes]


def test_curves_show_other_backgrounds_and_stages_where_the_fit_has_them(drawn: list[Figure]) -> None:
    more = {"validation_composed_nll": 0.7, "validation_composed_accuracy": 0.6, "validation_composed_right": 5}
    _, accuracy = lines([epoch(1, stage=1, **more), epoch(2, stage="all", **more)], drawn)
    assert accuracy == {"training crops", "validation", "validation, other backgrounds"}
    assert [text.get_text() for text in drawn[0].axes[1].texts] == ["stage ", "1", "all"]


def test_curves_of_a_plain_fit_show_neither(drawn: list[Figure]) -> None:
    loss, accuracy = lines([epoch(1, stage=1), epoch(2, stage=1)], drawn)
    assert accuracy == {"training crops", "validation"} and loss == {"training crops (label-smoothed)", "validation"}
    assert not drawn[0].axes[1].texts
    assert drawn[0].axes[1].get_title() == "kept: epoch 2, 5/9 = 55.56%"


def test_the_kept_epoch_is_the_one_whose_validation_is_best_on_all_backgrounds() -> None:
    plain = [epoch(1), epoch(3), epoch(2)]
    assert kept_epoch(plain)["epoch"] == 3
    composed = [dict(row, validation_composed_right=right) for row, right in zip(plain, (9, 1, 9), strict=True)]
    assert kept_epoch(composed)["epoch"] == 2
    assert kept_epoch([epoch(1), epoch(1, validation_nll=0.1)])["validation_nll"] == 0.1
