"""What each part of a recipe brings: short fits that differ from a base in a few values, judged on validation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from edge.errors import ConfigError
from train.config import Section, load_config
from train.distributed import refuse_several
from train.fit import Order, finished, fit


class Row(Section):
    """One fit."""

    name: str = Field(pattern=r"^[a-z0-9-]+$", description="of the fit's folder and its line in the table")
    change: tuple[str, ...] = Field(default=(), description="KEY=VALUE, as --set takes them")
    says: str = Field(description="what is changed, in words")


class Plan(Section):
    """A base config and the rows that differ from it."""

    base: str = Field(description="config file beside this one")
    always: tuple[str, ...] = Field(default=(), description="changes of every row, as a shorter schedule")
    rows: tuple[Row, ...] = Field(min_length=1)


def load_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        ConfigError: missing, not YAML, or not such a file.
    """
    try:
        plan = Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; the shipped plan is configs/train/ablation/plan.yaml") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    names = [row.name for row in plan.rows]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{path}: rows: {sorted(twice)} stands there twice")
    return plan


def ablate(plan: Plan, folder: Path, order: Order, only: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Fit every row in `order.out`/NAME (those of `only`, if any); finished ones are kept. The table's lines.

    `folder` holds the base config; `order.config` is replaced by each row's.

    Raises:
        ConfigError: a change names no key of the config; or as `fit`.
    """
    refuse_several("ablation")
    configs = {row.name: load_config(folder / plan.base, (*plan.always, *row.change)) for row in plan.rows}
    chosen = set(only) or set(configs)
    if strangers := chosen - set(configs):
        raise ConfigError(f"--only {', '.join(sorted(strangers))}: no such row; there are {', '.join(configs)}")
    orders = {row.name: replace(order, config=configs[row.name], out=order.out / row.name) for row in plan.rows}
    for row in plan.rows:
        wanted = orders[row.name]
        if row.name in chosen and not finished(wanted):
            print(f"{row.name}: {row.says}", flush=True)
            fit(replace(wanted, resume=(wanted.out / "last.pt").exists()))
    return [_line(row, orders[row.name].out) for row in plan.rows if finished(orders[row.name])]


def _line(row: Row, out: Path) -> dict[str, Any]:
    """The row's last validation, not its best: the schedule ends there, and the best of many would be luck."""
    history = json.loads((out / "history.json").read_text(encoding="utf-8"))
    last = next(epoch for epoch in reversed(history) if "validation_right" in epoch)
    return {"name": row.name, "says": row.says, **last, "minutes": sum(e["seconds"] for e in history) / 60}


def table(lines: list[dict[str, Any]]) -> str:
    """The lines as a Markdown table."""
    rows = [
        "| change | validation, own board | validation, other trays | nll, own / other | minutes |",
        "|---|---|---|---|---|",
    ]
    for line in lines:
        total = line["validation_total"]
        composed = line.get("validation_composed_right")
        other = f"{composed} of {total} ({composed / total:.1%})" if composed is not None else "–"
        nll = f"{line['validation_nll']:.3f}"
        nll += f" / {line['validation_composed_nll']:.3f}" if composed is not None else ""
        own = f"{line['validation_right']} of {total} ({line['validation_right'] / total:.1%})"
        rows.append(f"| {line['says']} | {own} | {other} | {nll} | {line['minutes']:.0f} |")
    return "\n".join(rows)
