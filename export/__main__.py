"""python -m export: from a checkpoint to what every device runs, and what each of those is worth."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from edge.errors import SmartbinError
from export.commands.benchmark import benchmark
from export.commands.executorch import executorch
from export.commands.keys import keys
from export.commands.pack import pack
from export.commands.parity import parity
from export.commands.sign import sign
from export.commands.tensorrt import tensorrt


class _PackByDefault(TyperGroup):
    """`python -m export best.pt` is `python -m export pack best.pt`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["pack", *args])


app = typer.Typer(
    name="export",
    cls=_PackByDefault,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="A checkpoint becomes what every device runs; each form is held against the same truth.",
)
for command in (pack, sign, parity, benchmark, executorch, tensorrt):
    app.command(no_args_is_help=True)(command)
app.add_typer(keys, name="keys")


def main() -> None:
    """Run the app; an error made for people is printed without a traceback and gives its own exit code."""
    try:
        app()
    except SmartbinError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
