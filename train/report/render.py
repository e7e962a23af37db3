"""The page's template (page.html, page.css) filled in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


def render(context: Mapping[str, Any]) -> str:
    """One HTML page. Whatever comes from a file's or a class's name is escaped."""
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.globals["percent"] = percent
    css = Markup((here / "page.css").read_text(encoding="utf-8"))  # our own, nothing to escape
    return environment.get_template("page.html").render(context, css=css)


def percent(share: float, digits: int = 1) -> str:
    """0.9349 → 93.5 %, with a space that does not break."""
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"
