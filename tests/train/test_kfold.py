from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import CLASSES, command, order, small_settings, stage  # noqa: E402
from train import __main__, kfold  # noqa: E402
from train.data import groups_file, scan  # noqa: E402
from train.fit import Order  # noqa: E402
from train.kfold import Fold, cross_validate, summary  # noqa: E402


def two_folds() -> dict[str, Any]:
    settings = small_settings()
    settings["data"].update(folds=2)
    settings["finetune"]["stages"] = [stage("fc")]
    return settings


@pytest.fixture(scope="module")
def grouped(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tints with a file that says which of them show one object: two pairs."""
    root = Path(shutil.copytree(photo_folder, tmp_path_factory.mktemp("grouped") / "tints"))
    rows = ["file,class,group,group_size"]
    rows += [f"{label}/{label}{i}.png,{label},{label}-a,2" for label in CLASSES[:2] for i in (0, 1)]
    groups_file(root).write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def done(grouped: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Order, list[Fold]]:
    """Both folds, fitted and tested."""
    asked = order(two_folds(), grouped, weights_file, tmp_path_factory.mktemp("kfold") / "run")
    return asked, cross_validate(asked)


def parts_of(folder: Path) -> dict[str, list[str]]:
    return dict(json.loads((folder / "split.json").read_text()))


def test_every_photograph_is_tested_exactly_once_by_a_network_that_never_saw_its_object(
    done: tuple[Order, list[Fold]],
) -> None:
    asked, folds = done
    parts = [parts_of(asked.out / f"fold{i}") for i in range(2)]
    assert sorted(parts[0]["test"] + parts[1]["test"]) == sorted(scan(asked.data).names)
    for part, fold in zip(parts, folds, strict=True):
        assert len(fold.targets) == len(fold.predicted) == len(part["test"])
        assert not set(part["test"]) & set(part["train"] + part["validation"])
        assert ("blue/blue0.png" in part["test"]) == ("blue/blue1.png" in part["test"])
    assert [fold.number for fold in folds] == [0, 1]
    assert all(fold.accuracy == 1 for fold in folds), "tints are easily told"


def test_a_finished_fold_is_not_fitted_again(done: tuple[Order, list[Fold]], monkeypatch: pytest.MonkeyPatch) -> None:
    asked, folds = done
    monkeypatch.setattr(kfold, "fit", lambda order: pytest.fail(f"{order.out} again"))
    for again, fold in zip(cross_validate(asked), folds, strict=True):
        assert np.array_equal(again.predicted, fold.predicted) and np.array_equal(again.targets, fold.targets)


def test_only_the_folds_asked_for_are_fitted_and_an_unfinished_one_is_resumed(
    grouped: Path, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[str, int, bool]] = []

    def fit(asked: Order) -> None:
        fitted.append((asked.out.name, asked.config.data.fold, asked.resume))
        assert asked.config.data.split == "kfold"

    monkeypatch.setattr(kfold, "fit", fit)
    asked = order(two_folds(), grouped, weights_file, tmp_path)
    assert cross_validate(asked, only=[1]) == []
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / "last.pt").touch()
    cross_validate(asked)
    assert fitted == [("fold1", 1, False), ("fold0", 0, True), ("fold1", 1, False)]


def test_a_fold_that_does_not_exist_is_refused(grouped: Path, weights_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--only 2: there are folds 0 to 1"):
        cross_validate(order(two_folds(), grouped, weights_file, tmp_path / "run"), only=[2])


def test_a_finished_fold_of_another_config_is_refused(done: tuple[Order, list[Fold]]) -> None:
    asked, _ = done
    other = asked.config.model_copy(update={"seed": asked.config.seed + 1})
    with pytest.raises(ConfigError, match="fold0: a fit by another config; remove it, or give another --out"):
        cross_validate(replace(asked, config=other))


def test_torchrun_is_refused(done: tuple[Order, list[Fold]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="kfold is no command for torchrun"):
        cross_validate(done[0])


def test_the_summary_gives_folds_mean_spread_and_all_photographs_together() -> None:
    folds = [
        Fold(0, np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])),  # 3 of 4
        Fold(1, np.array([0, 1]), np.array([1, 1])),  # 1 of 2
    ]
    figures = summary(folds, ("glass", "metal"))
    assert figures["folds"] == [
        {"fold": 0, "right": 3, "total": 4, "accuracy": 0.75},
        {"fold": 1, "right": 1, "total": 2, "accuracy": 0.5},
    ]
    assert figures["mean"] == 0.625 and figures["sd"] == pytest.approx(0.25 / 2**0.5)
    assert (figures["right"], figures["total"]) == (4, 6)
    assert figures["confusion"] == [[2, 1], [1, 2]] and figures["macro_f1"] == pytest.approx(2 / 3)
    low, high = figures["interval_95"]
    assert (low, high) == pytest.approx((0.300, 0.903), abs=0.001)  # Wilson's, of 4 in 6
    json.dumps(figures)


def test_one_fold_has_no_spread() -> None:
    assert summary([Fold(3, np.array([0, 1]), np.array([0, 1]))], ("glass", "metal"))["sd"] == 0


def test_the_command_writes_and_prints_the_summary(done: tuple[Order, list[Fold]]) -> None:
    asked, _ = done
    assert asked.weights is not None
    arguments = command(two_folds(), asked.data, asked.weights, asked.out)
    shown = CliRunner().invoke(__main__.app, ["kfold", *arguments[1:]], catch_exceptions=False)
    total = len(scan(asked.data))
    assert f"all photographs: {total}/{total}, 95 % interval" in shown.output
    assert "mean 100.00% ± 0.00% (sd over 2 of 2 folds)" in shown.output
    assert json.loads((asked.out / "kfold.json").read_text())["total"] == total
