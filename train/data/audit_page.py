"""The audit on one page for a browser, and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from rich.table import Table
from rich.text import Text

from train.data.audit import Audit

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data audit: $name</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
p { margin: .3rem 0; } .path, code { color: #555; overflow-wrap: anywhere; font-size: .9rem; }
table { border-collapse: collapse; margin-top: 1rem; width: 100%; }
td { border-top: 1px solid #ddd; padding: .4rem 1rem .4rem 0; vertical-align: top; overflow-wrap: anywhere; }
td:nth-child(-n+2) { white-space: nowrap; } td:nth-child(3) { width: 100%; }
td:nth-child(2) { text-align: right; font-variant-numeric: tabular-nums; font-weight: 600; }
tr.bad td:nth-child(2) { color: #b91c1c; }
img { width: 100%; height: auto; border: 1px solid #ddd; border-radius: 6px; }
</style>
<h1>Data audit: $name</h1>
<p class="path">$root</p>
<table>$rows</table>
$figures
<p class="path">Every finding by name: <a href="audit.json">audit.json</a>. sha256 of the data: <code>$sha256</code></p>
</html>
""")
Row = tuple[str, str, str, bool]
"""What, how many, what it means or which, and whether a person should do something about it."""
SHOWN = 6


def findings(audit: Audit) -> list[Row]:
    """One row a finding, in the order in which a person asks."""
    counts = audit.class_counts
    smallest = min(counts, key=lambda label: counts[label])
    exact = sum(pair.exact for pair in audit.copies)
    in_groups, conflicting = len(audit.groups), audit.conflicting
    return [
        ("photographs", str(len(audit.photos)), f"in {len(counts)} classes", False),
        ("smallest class", str(counts[smallest]), smallest, False),
        ("unreadable files", str(len(audit.unreadable)), _some(audit.unreadable), bool(audit.unreadable)),
        (
            "pairs of copies",
            str(len(audit.copies)),
            f"{exact} byte for byte, {len(audit.copies) - exact} nearly",
            False,
        ),
        ("under two labels", str(len(conflicting)), _some(list(conflicting)), bool(conflicting)),
        (
            "showing a repeated object",
            str(in_groups),
            f"{len(audit.repeated)} objects, {audit.groups_from}",
            False,
        ),
        ("sizes", str(len(audit.sizes)), _some([f"{w} × {h}" for w, h in audit.sizes]), False),
        ("files that are no photographs", str(len(audit.others)), _some(audit.others), False),
        ("folders inside class folders", str(len(audit.nested)), _some(audit.nested), bool(audit.nested)),
    ]


def terminal_table(audit: Audit) -> Table:
    """The findings for the terminal."""
    table = Table(title=Text(str(audit.photos.root), "bold"), title_justify="left", box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for what, number, which, bad in findings(audit):
        table.add_row(what, Text(number, "bold red" if bad else "bold"), Text(which))
    return table


def write_page(audit: Audit, pictures: Mapping[str, str], path: Path) -> None:
    """index.html beside the pictures: the findings, then each picture under its title."""
    rows = "".join(
        f"<tr{' class=bad' if bad else ''}><td>{what}<td>{number}<td>{escape(which)}"
        for what, number, which, bad in findings(audit)
    )
    figures = "".join(f'<h2>{title}</h2>\n<img src="{file}" alt="{title}">\n' for file, title in pictures.items())
    root = audit.photos.root
    page = _PAGE.substitute(
        name=escape(root.absolute().name), root=escape(str(root)), rows=rows, figures=figures, sha256=audit.sha256
    )
    path.write_text(page, encoding="utf-8")


def _some(names: Mapping[str, str] | list[str] | tuple[str, ...]) -> str:
    """The first few, and how many more; with their reasons where there are some."""
    listed = [f"{name}: {reason}" for name, reason in names.items()] if isinstance(names, Mapping) else list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
