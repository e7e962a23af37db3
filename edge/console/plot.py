"""Lines over time, and reliability, as SVG, for a page that draws nothing by itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from edge.captures.messages import FieldBin

WIDTH, HEIGHT, BOTTOM, TOP, MARGIN = 360, 120, 100, 12, 8


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


def reliability(bins: Sequence[FieldBin]) -> str:
    """How often the network was right, by how sure it was; on the dashed line when it is as right as it is sure."""
    if not bins:
        return ""
    points, said = "", []
    for each in bins:
        low, high = each.share.interval95
        x, y = _across(each.mean_p), _up(each.share.right / each.share.total)
        points += (
            f'<path class="line" d="M{x:.1f} {_up(low):.1f}V{_up(high):.1f}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        )
        points += f'<text x="{x:.1f}" y="{TOP - 2}" text-anchor="middle">{each.share.total}</text>'
        said.append(f"{100 * each.mean_p:.0f}% sure: {each.share.right} of {each.share.total} right")
    return (
        '<figure class="plot" data-plot="Reliability"><figcaption><b>Reliability</b> how often it was right, by how '
        "sure it was; with 95% intervals and the number of items</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Reliability: {"; ".join(said)}">'
        f'<path class="axis" d="M0 {BOTTOM}H{WIDTH}"/><path class="ideal" d="M{_across(0):.1f} {_up(0):.1f}'
        f'L{_across(1):.1f} {_up(1):.1f}"/>{points}<text x="0" y="{HEIGHT - 4}">0% sure</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">100%</text></svg></figure>'
    )


def _across(share: float) -> float:
    return MARGIN + (WIDTH - 2 * MARGIN) * share


def _up(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share
