"""python -m train data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def data(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Folders with one sub-folder of photographs a class. None, or `trashnet`: download TrashNet.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where photographs are put.  [default: data/trashnet for the download]", show_default=False),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Which folder becomes which class, in YAML: rename, merge, ignore.")
    ] = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(help="Terms of a source, free text, for provenance.json; one for each SOURCE, in their order."),
    ] = None,
    groups: Annotated[
        Literal["csv", "find", "none"],
        typer.Option(
            help="Photographs of one object: from <data>_groups.csv if it is there, found anew, or not looked for."
        ),
    ] = "csv",
    split: Annotated[
        Literal["reference", "official", "grouped", "kfold"] | None,
        typer.Option(help="Also write this split to split.json, and say what leaks (kfold: the first fold)."),
    ] = None,
    report: Annotated[Path, typer.Option(help="Folder for index.html, audit.json and its pictures.")] = Path(
        "runs/data-report"
    ),
) -> None:
    """Get photographs, join them, and look for what is wrong with them: nothing in a SOURCE is changed.

    Examples:

        python -m train data

        python -m train data my/photographs --split grouped

        python -m train data data/trashnet shop/photographs --labels labels.yaml --out data/joined
    """
    from rich.console import Console

    from train.data import prepare
    from train.data.audit_page import terminal_table

    root = prepare.get(sources or [], out, labels, licence or [])
    report.mkdir(parents=True, exist_ok=True)
    audit = prepare.look_at(root, groups, report)
    console = Console(highlight=False)
    console.print(terminal_table(audit))
    if split:
        print(prepare.part(audit, split, report / "split.json"))
    print(f"written: {report / 'index.html'}, {report / 'audit.json'}")
