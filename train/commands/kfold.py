"""python -m train kfold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from train.commands.options import DEFAULT_CONFIG, ConfigOption, DataOption, SetOption, WeightsOption


def kfold(
    config: ConfigOption = DEFAULT_CONFIG,
    data: DataOption = None,
    weights: WeightsOption = None,
    out: Annotated[Path, typer.Option(help="Folder for fold0, fold1 … and kfold.json.")] = Path("runs/kfold"),
    changes: SetOption = None,
    only: Annotated[
        list[int] | None, typer.Option(help="Fit this fold alone, from 0; may be repeated.  [default: all]")
    ] = None,
) -> None:
    """Cross-validate: fit once a fold, test each photograph with a network that never saw its object.

    Folds that are finished are kept; an interrupted command continues where it was.

    Examples:

        python -m train kfold --out runs/kfold

        python -m train kfold --out runs/kfold --only 3
    """
    from train.config import load_config
    from train.data import find_data, scan
    from train.fit import Order
    from train.kfold import cross_validate, summary

    settings, folder = load_config(config, changes or ()), find_data(data)
    folds = cross_validate(Order(settings, folder, weights, out), only)
    figures = summary(folds, scan(folder).labels)
    (out / "kfold.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for fold in figures["folds"]:
        print(f"fold {fold['fold'] + 1}: {fold['right']}/{fold['total']} = {fold['accuracy']:.2%}")
    low, high = figures["interval_95"]
    print(f"mean {figures['mean']:.2%} ± {figures['sd']:.2%} (sd over {len(folds)} of {settings.data.folds} folds)")
    print(
        f"all photographs: {figures['right']}/{figures['total']}, 95 % interval {low:.1%} to {high:.1%}, "
        f"macro-F1 {figures['macro_f1']:.3f}"
    )
    print(f"written: {out / 'kfold.json'}")
