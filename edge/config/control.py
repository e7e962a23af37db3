"""The control socket."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from edge.config.section import Section


class Control(Section):
    """How the console and `python -m edge ctl` reach the daemon."""

    socket: Path | None = Field(None, description="the Unix socket; null: control.sock in state_dir")
    group: str | None = Field(
        None,
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="system group whose members may use it too; null: the daemon's user alone",
    )
