"""What came of a comparison of two models, in the words of the page and of the command line. Pure."""

from __future__ import annotations

from edge.captures.messages import ComparisonResult, PairView, ShareView
from edge.console.words import items, percent

NOTE = (
    "Better: only the new one is right; worse: only the old one. By chance: how often two equally good models differ "
    "so much on so many items. What was named may have taught the new model, which flatters it; what it decided itself "
    "cannot have."
)


def heads_of(result: ComparisonResult) -> tuple[str, ...]:
    """What stands above the columns of `rows_of`."""
    return "Items", f"Old, {result.old}", f"New, {result.new}", "Better", "Worse", "By chance"


def rows_of(result: ComparisonResult) -> list[tuple[str, ...]]:
    """All that were named, and of these what the new model itself decided; without items: two columns."""
    return [_row("all that were named", result.all), _row("of these, decided by the new one", result.unseen)]


def table_of(result: ComparisonResult) -> str:
    """For a terminal."""
    rows = [heads_of(result), *rows_of(result)]
    widths = [max(len(row[k]) for row in rows if k < len(row)) for k in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows)
    return "\n".join((*lines, "", NOTE))


def _row(name: str, pair: PairView) -> tuple[str, ...]:
    if not pair.old.total:
        return name, "none"
    return name, _share(pair.old), _share(pair.new), str(pair.better), str(pair.worse), percent(pair.chance)


def _share(share: ShareView) -> str:
    return f"{percent(share.right / share.total)} ({share.right} of {items(share.total, 'item')})"
