from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import order, small_settings, stage  # noqa: E402
from train import __main__, ablation  # noqa: E402
from train.ablation import ablate, load_plan, table  # noqa: E402
from train.config import load_config  # noqa: E402
from train.fit import Order  # noqa: E402

SHIPPED = Path(__file__).parents[2] / "configs" / "train" / "ablation" / "plan.yaml"
PLAN: dict[str, Any] = {
    "base": "base.yaml",
    "always": [f"finetune.stages={json.dumps([stage('fc')])}"],
    "rows": [
        {"name": "whole", "says": "the recipe"},
        {"name": "no-smoothing", "says": "no label smoothing", "change": ["finetune.label_smoothing=0.0"]},
    ],
}


def write_plan(folder: Path, plan: Any) -> Path:
    (folder / "base.yaml").write_text(yaml.safe_dump(small_settings()))
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return folder / "plan.yaml"


@pytest.fixture(scope="module")
def done(
    photo_folder: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Order, list[dict[str, Any]]]:
    """The plan's file, the order, and the lines of two rows that were fitted."""
    folder = tmp_path_factory.mktemp("ablation")
    plan = write_plan(folder, PLAN)
    asked = order(small_settings(), photo_folder, weights_file, folder / "runs")
    return plan, asked, ablate(load_plan(plan), folder, asked)


def test_every_row_is_fitted_with_its_change_and_what_holds_for_all(
    done: tuple[Path, Order, list[dict[str, Any]]],
) -> None:
    _, asked, lines = done
    assert [(line["name"], line["says"]) for line in lines] == [
        ("whole", "the recipe"), ("no-smoothing", "no label smoothing"),
    ]  # fmt: skip
    for name, smoothing in (("whole", 0.1), ("no-smoothing", 0.0)):
        fitted = torch.load(asked.out / name / "best.pt", weights_only=True)["config"]["finetune"]
        assert fitted["label_smoothing"] == smoothing and len(fitted["stages"]) == 1
    assert all(line["validation_total"] == 6 and line["epoch"] == 1 for line in lines)


def test_finished_rows_are_kept(
    done: tuple[Path, Order, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, asked, lines = done
    monkeypatch.setattr(ablation, "fit", lambda order: pytest.fail(f"{order.out} again"))
    assert ablate(load_plan(plan), plan.parent, asked) == lines


def test_the_command_writes_the_table_and_the_figures(done: tuple[Path, Order, list[dict[str, Any]]]) -> None:
    plan, asked, lines = done
    arguments = ["ablation", str(plan), "--data", str(asked.data), "--weights", str(asked.weights),
                 "--out", str(asked.out)]  # fmt: skip
    shown = CliRunner().invoke(__main__.app, arguments, catch_exceptions=False)
    assert table(lines) in shown.output
    assert (asked.out / "ablation.md").read_text() == table(lines) + "\n"
    assert json.loads((asked.out / "ablation.json").read_text()) == lines


def test_only_the_rows_asked_for_are_fitted_and_an_unfinished_one_is_resumed(
    photo_folder: Path, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[str, bool]] = []
    monkeypatch.setattr(ablation, "fit", lambda order: fitted.append((order.out.name, order.resume)))
    plan, asked = load_plan(write_plan(tmp_path, PLAN)), order(small_settings(), photo_folder, weights_file, tmp_path)
    assert ablate(plan, tmp_path, asked, only=["no-smoothing"]) == []
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "last.pt").touch()
    ablate(plan, tmp_path, asked)
    assert fitted == [("no-smoothing", False), ("whole", True), ("no-smoothing", False)]


def test_a_row_that_does_not_exist_is_refused_with_those_that_do(
    photo_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    plan = load_plan(write_plan(tmp_path, PLAN))
    with pytest.raises(ConfigError, match="--only nothing: no such row; there are whole, no-smoothing"):
        ablate(plan, tmp_path, order(small_settings(), photo_folder, weights_file, tmp_path), only=["nothing"])


def test_a_change_of_an_unknown_key_is_refused_before_the_first_fit(
    photo_folder: Path, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "fit", lambda order: pytest.fail("fitted"))
    rows = [*PLAN["rows"], {"name": "wrong", "says": "a typing error", "change": ["finetune.smoothing=0.0"]}]
    plan = load_plan(write_plan(tmp_path, PLAN | {"rows": rows}))
    with pytest.raises(ConfigError, match=r"finetune\.smoothing: unknown key"):
        ablate(plan, tmp_path, order(small_settings(), photo_folder, weights_file, tmp_path))


def line(**changes: Any) -> dict[str, Any]:
    return {
        "name": "whole", "says": "the recipe", "validation_right": 350, "validation_total": 377, "validation_nll": 0.25,
        "minutes": 12.4,
    } | changes  # fmt: skip


def test_the_table_is_markdown_with_a_line_for_each_row() -> None:
    other = line(says="no mixing", validation_composed_right=300, validation_composed_nll=0.5)
    header, rule, first, second = table([line(), other]).splitlines()
    assert header.startswith("| change | ") and set(rule) == set("|-")
    assert {row.count("|") for row in (header, rule, first, second)} == {6}
    assert first == "| the recipe | 350 of 377 (92.8%) | – | 0.250 | 12 |"
    assert second == "| no mixing | 350 of 377 (92.8%) | 300 of 377 (79.6%) | 0.250 / 0.500 | 12 |"


def test_the_shipped_plan_and_each_of_its_rows_are_valid() -> None:
    plan = load_plan(SHIPPED)
    configs = {row.name: load_config(SHIPPED.parent / plan.base, (*plan.always, *row.change)) for row in plan.rows}
    assert configs[plan.rows[0].name] == load_config(SHIPPED.parent / plan.base, plan.always), "the first is the base"
    assert len({config.model_dump_json() for config in configs.values()}) == len(configs), "each differs"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": []}, "at least 1 item"),
        ({"rows": [PLAN["rows"][0], PLAN["rows"][0]]}, r"\['whole'\] stands there twice"),
        ({"rows": [{"name": "../out", "says": "elsewhere"}]}, "String should match pattern"),
        ({"surprise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_plan_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_plan(write_plan(tmp_path, PLAN | change))


def test_a_missing_or_broken_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: No such file .*configs/train/ablation/plan\.yaml"):
        load_plan(tmp_path / "no.yaml")
    (tmp_path / "bad.yaml").write_text("rows: [1")
    with pytest.raises(ConfigError, match=r"bad\.yaml: "):
        load_plan(tmp_path / "bad.yaml")
