"""`python -m edge simulate --bins`: what it runs, prints and writes."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge.config import Config, Mqtt
from edge.errors import ConfigError
from edge.mqtt.client import probe
from edge.simulate.fleet.broker import HOST, OwnMosquitto, listening_pid
from edge.simulate.fleet.plan import OWN, Plan, allow_descriptors, broker_of
from edge.simulate.fleet.trial import Broker, Result, run
from edge.simulate.plot import Panel, draw

COLUMNS = ("bins", "delivered", "lost", "twice", "late", "p50", "p99", "max", "core", "MiB")


def simulate_bins(
    config: Config, plans: Sequence[Plan], url: str, broker_pid: int | None, report: Path | None, plot: Path | None
) -> bool:
    """Play one size after another, print a table, write report and plot; whether every event was delivered.

    Raises:
        ConfigError: this cannot be asked for, or this machine cannot do it.
        BrokerError: the broker does not start, refuses, or is not reached.
    """
    if url != OWN and any(plan.restart_after_s is not None for plan in plans):
        raise ConfigError(f"--restart-broker-after: only a broker that is started here (--broker {OWN}) is restarted")
    for name, path in (("--report", report), ("--plot", plot)):
        if path is not None and not path.parent.is_dir():
            raise ConfigError(f"{name}: no folder {path.parent}; make it first")
    allow_descriptors(max(plan.bins for plan in plans))
    screen = Console(stderr=True)
    results = []
    for plan in plans:
        with _broker(config, url, broker_pid) as broker:
            results.append(run(plan, broker, lambda line: screen.print(line, style="dim")))
    Console().print(table(results))
    if report is not None:
        report.write_text(json.dumps(as_json(results), indent=2) + "\n", encoding="utf-8")
    if plot is not None:
        write_plot(results, plot)
    return all(result.delivery.complete for result in results)


@contextmanager
def _broker(config: Config, url: str, broker_pid: int | None) -> Iterator[Broker]:
    """Of our own, a new one for each size, so that one size's memory is not the next one's; or the one there is."""
    if url == OWN:
        with OwnMosquitto() as own:
            mqtt = Mqtt.model_validate(
                config.mqtt.model_dump(mode="json")
                | {"embedded_broker": False, "host": HOST, "port": own.port, "tls": None}
                | {"username": None, "password_file": None}
            )
            yield Broker(config.model_copy(update={"mqtt": mqtt}), own, lambda: own.pid)
    else:
        mqtt = broker_of(config, url)
        probe(mqtt)
        pid = broker_pid if broker_pid is not None else listening_pid(mqtt.host, mqtt.port)
        yield Broker(config.model_copy(update={"mqtt": mqtt}), None, lambda: pid)


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """All figures, and where they were measured."""
    rows = []
    for result in results:
        row = asdict(result)
        for part in ("connecting", "sorting"):
            row[part] = getattr(result, part)._asdict()
        rows.append(row)
    machine = {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}
    return {"measured": datetime.now(timezone.utc).date().isoformat(), "machine": machine, "sizes": rows}


def table(results: Sequence[Result]) -> Table:
    """A row for each size."""
    first = results[0].plan
    restarted = first.restart_after_s is not None
    most = max(100 * result.own_cpu_s / result.sorting_s for result in results)
    shown = Table(
        title=f"{first.rate_per_min:g} items a minute of each bin for {first.seconds:g} s"
        + (f", the broker restarted after {first.restart_after_s:g} s" if restarted else ""),
        caption="late: waited for the broker; p50, p99, max: of the others, ms; core: the broker's share of one, %. "
        f"The simulator itself took up to {most:.0f} % of a core",
    )
    for column in COLUMNS:
        shown.add_column(column, justify="right")
    for result in results:
        shown.add_row(*row(result))
    return shown


def row(result: Result) -> list[str]:
    """One size, for people."""
    delivery = result.delivery
    p50, _, p99, longest = ["–"] * 4 if delivery.live_ms is None else [f"{ms:,.0f}" for ms in delivery.live_ms]
    cpu, mib = cpu_percent(result), result.broker_mib
    return [
        f"{result.plan.bins:,}", f"{delivery.delivered:,}",
        f"{delivery.lost + delivery.unsent:,}", f"{delivery.duplicates:,}", f"{delivery.late:,}", p50, p99, longest,
        "–" if cpu is None else f"{cpu:.1f}", "–" if mib is None else f"{mib:.0f}",
    ]  # fmt: skip


def cpu_percent(result: Result) -> float | None:
    """Of one core, the broker's, while the bins sorted."""
    return None if result.broker_cpu_s is None else 100 * result.broker_cpu_s / result.sorting_s


def write_plot(results: Sequence[Result], plot: Path) -> None:
    """What a size costs the broker, and the latency, over the number of bins, as PNG."""
    panels = []
    if all(result.broker_cpu_s is not None for result in results):
        cpu = [cpu_percent(result) or 0.0 for result in results]
        panels.append(Panel("the broker's processor, % of a core", {"": cpu}))
        panels.append(Panel("its memory, MiB", {"": [result.broker_mib or 0.0 for result in results]}))
    live = [result.delivery.live_ms or (0.0,) * 4 for result in results]
    curves = {"p50": [ms[0] for ms in live], "p99": [ms[2] for ms in live]}
    panels.append(Panel("from the end of the sorting to the subscriber, ms", curves))
    first = results[0].plan
    title = f"{first.rate_per_min:g} items a minute of each bin, {first.seconds:g} s"
    draw(plot, title, "bins", [float(result.plan.bins) for result in results], panels)
