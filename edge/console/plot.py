"""Lines over time as SVG, for a page that draws nothing by itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

WIDTH, HEIGHT, BOTTOM, TOP = 360, 120, 100, 12


def plot(title: str, unit: str, times: Sequence[datetime], lines: Mapping[str, Sequence[float | None]]) -> str:
    """A figure; where a value is missing, the line has a gap. Empty when there is nothing to draw."""
    known = [value for values in lines.values() for value in values if value is not None]
    if not known:
        return ""
    top = max(*known, 0.0) or 1.0
    newest = {name: next((v for v in reversed(values) if v is not None), None) for name, values in lines.items()}
    now = ", ".join(f"{name} {_number(value)}".strip() for name, value in newest.items() if value is not None)
    drawn = "".join(_line(number, times, values, top) for number, values in enumerate(lines.values()))
    span = f"{times[0].astimezone():%H:%M} to {times[-1].astimezone():%H:%M}"
    return (
        f'<figure class="plot" data-plot="{escape(title)}"><figcaption><b>{escape(title)}</b> '
        f"now {escape(now)} {escape(unit)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}, {span}: now {escape(now)} {escape(unit)}, at most {_number(max(known))}">'
        f'<path class="axis" d="M0 {BOTTOM}H{WIDTH}"/>{drawn}'
        f'<text x="0" y="{HEIGHT - 4}">{span}</text>'
        f'<text x="{WIDTH}" y="{TOP - 2}" text-anchor="end">{_number(top)} {escape(unit)}</text></svg></figure>'
    )


def _line(number: int, times: Sequence[datetime], values: Sequence[float | None], top: float) -> str:
    span_s = (times[-1] - times[0]).total_seconds() or 1.0
    path, drawing = [], False
    for time, value in zip(times, values, strict=True):
        if value is None:
            drawing = False
            continue
        x = WIDTH * (time - times[0]).total_seconds() / span_s
        y = BOTTOM - (BOTTOM - TOP) * max(0.0, value) / top
        path.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}" + ("" if drawing else "h0.1"))
        drawing = True
    return f'<path class="line line-{number}" d="{"".join(path)}"/>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
