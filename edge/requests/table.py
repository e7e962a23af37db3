"""The table of commands in docs/commands.md: `python -m edge.requests.table` prints it."""

from __future__ import annotations

from edge.payloads import COMMANDS


def markdown() -> str:
    """A row for each command."""
    rows = []
    for cmd, kind in COMMANDS.items():
        fields = ", ".join(f"`{name}`" for name in kind.arguments.model_fields)
        rows.append(f"| `{cmd}` | {kind.does} | {fields} | {'login, `ts`' if kind.trusted else 'anybody'} |\n")
    return "".join(rows)


if __name__ == "__main__":
    print(markdown(), end="")
