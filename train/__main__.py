"""python -m train: from photographs to a checkpoint, and from a bundle to its figures."""

from __future__ import annotations

import sys

import typer

from edge.errors import SmartbinError
from train.commands.ablation import ablation
from train.commands.data import data
from train.commands.evaluate import evaluate
from train.commands.fit import fit
from train.commands.ingest import ingest
from train.commands.kfold import kfold
from train.commands.prune import prune
from train.commands.recover import recover
from train.commands.report import report
from train.commands.robustness import robustness
from train.commands.soup import soup

app = typer.Typer(
    name="train",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Photographs, the classifier made from them, and what is known of it.",
)
for command in (data, ingest, fit, report, evaluate, robustness, kfold, ablation, soup, prune, recover):
    app.command()(command)


def main() -> None:
    """Run the app; an error made for people is printed without a traceback and gives its own exit code."""
    try:
        app()
    except SmartbinError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
