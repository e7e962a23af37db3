"""The figures of docs/scale.md, from the reports beside it, and what they make of a hundred thousand bins.

    python -m edge.simulate.fleet.document

writes them between the marks in that file: `<!-- NAME -->` to `<!-- end -->`. A test holds the file against this.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/scale.md"
REPORTS = DOCUMENT.parent / "scale"
ITEM_TOPICS = (
    "classification", "classification/last", "compartment/<c>/count", "compartment/<c>/purity", "state",
)  # fmt: skip
ROW_BYTES = {"classification": 480, "state": 190, "count": 147, "purity": 147, "telemetry": 274}
"""PostgreSQL's bytes of a row of Telegraf's tables, its index among them; tests/edge/dashboards/test_storage.py."""

BINS = 100_000
PEAK_PER_MIN = 6.0
ITEMS_A_DAY = 200
TELEMETRY_S = 60
LOADED = 0.5
"""How much of its core a broker's process may be asked for at the peak."""
Report = Mapping[str, Any]


def sections(curve: Report, restart: Report, idle: Report) -> dict[str, str]:
    """Mark → Markdown."""
    return {
        "measured on": _measured(curve=curve, restart=restart, idle=idle),
        "a bin": _a_bin(curve["sizes"][-1], idle["sizes"][-1]),
        "sizes": _sizes(curve),
        "restart": _restart(restart["sizes"][-1]),
        "a hundred thousand": _paper(curve, idle["sizes"][-1]),
    }


def filled(text: str, found: Mapping[str, str]) -> str:
    """The document with each section between its marks.

    Raises:
        LookupError: a section has no place.
    """
    for name, section in found.items():
        place = re.search(f"(?<=<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)", text, re.DOTALL)
        if place is None:
            raise LookupError(f"no place <!-- {name} --> … <!-- end --> in {DOCUMENT.name}")
        text = f"{text[: place.start()]}\n{section}\n{text[place.end() :]}"
    return text


def read_reports(folder: Path = REPORTS) -> list[Report]:
    """Curve, restart, idle."""
    return [json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("curve", "restart", "idle")]


def _table(head: str, align: str, rows: list[str]) -> str:
    return "\n".join([head, align, *rows]) + "\n"


def _measured(**reports: Report) -> str:
    days = sorted({report["measured"] for report in reports.values()})
    machine = next(iter(reports.values()))["machine"]
    return (
        f"Measured on {' and '.join(days)}, on {machine['cores']} cores ({machine['system']}) with Debian's "
        "Mosquitto, by\n\n" + "".join(f"    {_command(name, report)}\n" for name, report in reports.items())
    )


def _command(name: str, report: Report) -> str:
    """What wrote the report."""
    plan = report["sizes"][0]["plan"]
    words = [
        f"python -m edge simulate --bins {','.join(str(size['plan']['bins']) for size in report['sizes'])}",
        f"--rate {plan['rate_per_min']:g} --seconds {plan['seconds']:g}",
    ]
    if plan["restart_after_s"] is not None:
        words.append(f"--restart-broker-after {plan['restart_after_s']:g}")
    words.append(f"--report docs/scale/{name}.json")
    if len(report["sizes"]) > 1:
        words.append("--plot docs/images/scale.png")
    return " ".join(words)


def _a_bin(size: Mapping[str, Any], idle: Mapping[str, Any]) -> str:
    bins, items = size["plan"]["bins"], size["delivery"]["finished"]
    first, sorting = size["connecting"], size["sorting"]
    rows = []
    for topic in sorted(set(first["messages"]) | set(sorting["messages"])):
        length = (first["bytes"].get(topic, 0) + sorting["bytes"].get(topic, 0)) / (
            first["messages"].get(topic, 0) + sorting["messages"].get(topic, 0)
        )
        per_item = _of_items(size, "messages", topic) / items
        rows.append(
            f"| `{topic}` | {length:,.0f} | {first['messages'].get(topic, 0) / bins:.1f} | "
            f"{f'{per_item:.2f}' if per_item else ''} |"
        )
    rows.append(
        f"| together | | {sum(first['messages'].values()) / bins:.1f}, "
        f"{sum(first['bytes'].values()) / bins:,.0f} bytes | {_item_messages(size):.2f}, "
        f"{_item_bytes(size):,.0f} bytes |"
    )
    hour = 3600 / idle["sorting_s"] / idle["plan"]["bins"]
    return _table("| topic | bytes of a message | on each connection | an item |", "|---|---|---|---|", rows) + (
        f"\nA bin that does nothing sends {idle['sorting']['out'] * hour:,.0f} bytes an hour and receives "
        f"{idle['sorting']['back'] * hour:,.0f}: telemetry once a minute, and the keep-alive. That is what TCP "
        "carried.\n"
    )


def _sizes(report: Report) -> str:
    rows = []
    for size in report["sizes"]:
        delivery, live = size["delivery"], size["delivery"]["live_ms"]
        rows.append(
            f"| {size['plan']['bins']:,} | {delivery['delivered']:,} of {delivery['finished']:,} | "
            f"{delivery['lost'] + delivery['unsent']} | {delivery['duplicates']} | "
            f"{live[0]:.0f} | {live[1]:.0f} | {live[2]:.0f} | {live[3]:.0f} | "
            f"{100 * size['broker_cpu_s'] / size['sorting_s']:.1f} % | {_cpu_us(size):.0f} | "
            f"{size['broker_mib']:.1f} | {_own(size)} |"
        )
    return _table(
        "| bins | delivered | lost | twice | p50 ms | p90 ms | p99 ms | longest ms | broker, of a core | µs a message "
        "| broker MiB | simulator, of a core |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        rows,
    )


def _restart(size: Mapping[str, Any]) -> str:
    plan, delivery, live, late = (
        size["plan"],
        size["delivery"],
        size["delivery"]["live_ms"],
        size["delivery"]["late_ms"],
    )
    waited = "none waited for it"
    if late is not None:
        waited = (
            f"{delivery['late']:,} waited for it and were sent again or for the first time when it was back, half of "
            f"them within {late[0] / 1000:.1f} s of the end of their sorting, 99 % within {late[2] / 1000:.1f} s, all "
            f"within {late[3] / 1000:.1f} s"
        )
    return (
        f"{plan['bins']:,} bins, {plan['rate_per_min']:g} items a minute each, for {plan['seconds']:g} s; after "
        f"{plan['restart_after_s']:g} s the broker was restarted and away for {size['broker_away_s']:.1f} s. Of "
        f"{delivery['finished']:,} events {delivery['delivered']:,} were delivered, {delivery['lost']} were lost, "
        f"{delivery['unsent']} were left with a bin, {delivery['duplicates']:,} came twice; {waited}. The others: "
        f"p50 {live[0]:.0f} ms, p90 {live[1]:.0f} ms, p99 {live[2]:.0f} ms, longest {live[3]:,.0f} ms. "
        f"The simulator used {_own(size)} of a core.\n"
    )


def _own(size: Mapping[str, Any]) -> str:
    return f"{100 * size['own_cpu_s'] / size['sorting_s']:.0f} %"


def _of_items(size: Mapping[str, Any], what: str, topic: str) -> float:
    """What is sent because of items, of a topic; a restart of the broker would be in it."""
    return float(size["sorting"][what].get(topic, 0)) if topic in ITEM_TOPICS else 0.0


def _item_messages(size: Mapping[str, Any]) -> float:
    return sum(_of_items(size, "messages", topic) for topic in ITEM_TOPICS) / int(size["delivery"]["finished"])


def _item_bytes(size: Mapping[str, Any]) -> float:
    return sum(_of_items(size, "bytes", topic) for topic in ITEM_TOPICS) / int(size["delivery"]["finished"])


def _messages(size: Mapping[str, Any]) -> int:
    """That the broker took or gave."""
    return int(sum(size["sorting"]["messages"].values()) + size["heard"])


def _cpu_us(size: Mapping[str, Any]) -> float:
    return 1e6 * float(size["broker_cpu_s"]) / _messages(size)


def _paper(curve: Report, idle: Mapping[str, Any]) -> str:
    least, most = curve["sizes"][0], curve["sizes"][-1]
    item_messages, item_bytes = _item_messages(most), _item_bytes(most)
    items_s = BINS * PEAK_PER_MIN / 60
    idle_s = idle["sorting"]["out"] / idle["sorting_s"] / idle["plan"]["bins"]
    messages_s = items_s * item_messages + BINS / TELEMETRY_S
    out_s = items_s * item_bytes + BINS * idle_s
    cpu_us = _cpu_us(most)
    cores = (messages_s + items_s) * cpu_us / 1e6
    kib = 1024 * (most["broker_mib"] - least["broker_mib"]) / max(1, most["plan"]["bins"] - least["plan"]["bins"])
    nodes = math.ceil(cores / LOADED)
    hello = sum(most["connecting"]["messages"].values()) / most["plan"]["bins"]
    states = _of_items(most, "messages", "state") / most["delivery"]["finished"]
    item_row = ROW_BYTES["classification"] + states * ROW_BYTES["state"] + ROW_BYTES["count"] + ROW_BYTES["purity"]
    a_day = BINS * ITEMS_A_DAY
    telemetry_day = BINS * 86400 / TELEMETRY_S
    back_s = BINS * hello * cpu_us / 1e6 / nodes
    rows = [
        ("connections", f"{BINS:,} bins and a few subscribers", f"{BINS:,}"),
        (
            "items a second, at the peak",
            f"{BINS:,} × {PEAK_PER_MIN:g} / 60 s",
            f"{items_s:,.0f}",
        ),
        (
            "messages a second to the broker",
            f"{items_s:,.0f} × {item_messages:.2f} + {BINS:,} / {TELEMETRY_S} s of telemetry",
            f"{messages_s:,.0f}",
        ),
        (
            "bytes a second to the broker",
            f"{items_s:,.0f} × {item_bytes:,.0f} + {BINS:,} × {idle_s:.1f} that idle ones send",
            f"{out_s / 1e6:,.1f} MB, {8 * out_s / 1e6:,.0f} Mbit/s",
        ),
        (
            "the broker's processor",
            f"({messages_s:,.0f} + {items_s:,.0f} to one subscriber of the events) × {cpu_us:.0f} µs",
            f"{cores:.1f} cores like these",
        ),
        ("the broker's memory", f"{BINS:,} × {kib:.1f} KiB", f"{BINS * kib / 1024 / 1024:.1f} GiB"),
        (
            "broker nodes",
            f"{cores:.1f} cores at {LOADED:.0%} each, Mosquitto using one core a node",
            f"{nodes}, and one more to lose",
        ),
        (
            "all back after an outage",
            f"{BINS:,} × {hello:.0f} messages × {cpu_us:.0f} µs on {nodes} nodes, and nothing else meanwhile",
            f"{back_s:,.0f} s",
        ),
        (
            "rows a day",
            f"{a_day:,} items × {3 + states:.1f} + {telemetry_day:,.0f} of telemetry",
            f"{a_day * (3 + states) + telemetry_day:,.0f}",
        ),
        (
            "storage a year: events",
            f"{a_day:,} × {ROW_BYTES['classification']} bytes × 365",
            f"{a_day * ROW_BYTES['classification'] * 365 / 1e12:.1f} TB",
        ),
        (
            "storage a year: all of an item",
            f"{a_day:,} × {item_row:,.0f} bytes × 365",
            f"{a_day * item_row * 365 / 1e12:.1f} TB",
        ),
        (
            "storage a year: telemetry",
            f"{telemetry_day:,.0f} × {ROW_BYTES['telemetry']} bytes × 365",
            f"{telemetry_day * ROW_BYTES['telemetry'] * 365 / 1e12:.1f} TB",
        ),
    ]
    return _table("| | how | makes |", "|---|---|---|", [f"| {' | '.join(row)} |" for row in rows])


def main() -> None:
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8"), sections(*read_reports())), encoding="utf-8")


if __name__ == "__main__":
    main()
