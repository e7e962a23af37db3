"""`python -m edge mqtt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

mqtt = typer.Typer(help="What the bin says, for other programs.", no_args_is_help=True)


@mqtt.callback()
def _several() -> None:
    """So that `export` is named, though it is the only one."""


@mqtt.command()
def export(
    whom: Annotated[str, typer.Option("--for", help="home-assistant, node-red, telegraf, grafana, schema or all.")],
    out: Annotated[Path | None, typer.Option(help="Write into this folder instead of printing.")] = None,
) -> None:
    """Print the file for a dashboard, as in configs/dashboards.

    Example: python -m edge mqtt export --for grafana
    """
    from edge.dashboards.exports import EXPORTS

    if whom not in EXPORTS and whom != "all":
        typer.echo(f"error: nothing for {whom!r}; there is {', '.join(EXPORTS)}, all", err=True)
        raise typer.Exit(2)
    for name, make in EXPORTS.values() if whom == "all" else [EXPORTS[whom]]:
        text = make()
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, encoding="utf-8")
            typer.echo(f"{out / name}")
