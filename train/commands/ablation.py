"""python -m train ablation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import DataOption, WeightsOption


def ablation(
    plan: Annotated[Path, typer.Argument(help="Which fits, in YAML.")] = Path("configs/train/ablation/plan.yaml"),
    data: DataOption = None,
    weights: WeightsOption = None,
    out: Annotated[Path, typer.Option(help="Folder for one run a row, ablation.json and ablation.md.")] = Path(
        "runs/ablation"
    ),
    only: Annotated[list[str] | None, typer.Option(help="Fit this row alone; may be repeated.  [default: all]")] = None,
) -> None:
    """Fit a recipe with one part changed at a time, and print what each brings on validation.

    Rows that are finished are kept; an interrupted command continues where it was.

    Examples:

        python -m train ablation

        python -m train ablation --only whole --only no-mixing
    """
    from train.ablation import ablate, load_plan, table
    from train.config import load_config
    from train.data import find_data
    from train.fit import Order

    wanted = load_plan(plan)
    base = load_config(plan.parent / wanted.base)
    lines = ablate(wanted, plan.parent, Order(base, find_data(data), weights, out), only or ())
    (out / "ablation.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    (out / "ablation.md").write_text(table(lines) + "\n", encoding="utf-8")
    print(table(lines))
