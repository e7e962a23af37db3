"""`python -m edge simulate`: what it runs, prints and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from edge.config import Config
from edge.errors import ConfigError
from edge.fault_table import BY_CODE
from edge.simulate.scenarios import SCENARIOS
from edge.simulate.soak import Soak, soak, write_plot, write_report
from edge.simulate.trial import Result, try_faults


def simulate_faults(config: Config, wanted: Sequence[str], report: Path | None) -> bool:
    """Cause the faults named (all, or codes), print a table, write the report; whether all went as they should.

    Raises:
        ConfigError: no such code; or the bin's mechanism and camera are real.
    """
    codes = list(SCENARIOS) if list(wanted) == ["all"] else list(wanted)
    unknown = sorted(set(codes) - SCENARIOS.keys())
    if unknown:
        raise ConfigError(f"--faults: no fault {', '.join(unknown)}; there are: all, {', '.join(BY_CODE)}")
    if config.camera.type != "footage":
        raise ConfigError(f"camera.type: {config.camera.type}; faults are caused in a simulated bin only: type footage")
    screen = Console(stderr=True)
    results = try_faults(config, codes, lambda code: screen.print(f"causing {code}", style="dim"))
    Console().print(table(results))
    if report is not None:
        report.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n", encoding="utf-8")
    return not any(result.problems for result in results)


def simulate_items(
    config: Config, items: int, *, real_engine: bool, max_growth_percent: float, report: Path | None, plot: Path | None
) -> bool:
    """Sort so many items, print what was measured, write report and plot; whether every limit was kept.

    Raises:
        ConfigError: the bin's mechanism and camera are real.
        BrokerError: the broker of its own does not start.
    """
    screen = Console(stderr=True)
    result = soak(
        config, items, real_engine=real_engine, max_growth_percent=max_growth_percent,
        tell=lambda window: screen.print(f"{window.items} items, {window.memory_mib:.1f} MiB", style="dim"),
    )  # fmt: skip
    Console().print(soak_table(result))
    if report is not None:
        write_report(result, report)
    if plot is not None:
        write_plot(result, plot)
    return not result.missed


def soak_table(result: Soak) -> Table:
    """A row for each tenth of the run."""
    shown = Table(
        title=f"{result.items} items with {result.engine}, {result.simulated_s:.0f} simulated seconds "
        f"in {result.took_s:.0f} s",
        caption="; ".join(result.missed) or f"every limit kept; memory {result.growth_percent:+.2f} %",
    )
    for column in ("items", "memory", "descriptors", "threads", "cycle p50", "cycle p99", "of wall time"):
        shown.add_column(column, justify="right")
    for window in result.windows[:: max(1, len(result.windows) // 10)]:
        shown.add_row(
            str(window.items), f"{window.memory_mib:.1f} MiB", str(window.descriptors), str(window.threads),
            f"{window.cpu_p50_ms:.1f} ms", f"{window.cpu_p99_ms:.1f} ms", f"{window.wall_p99_ms:.1f} ms",
        )  # fmt: skip
    return shown


def table(results: Sequence[Result]) -> Table:
    """A row for each fault."""
    shown = Table(title="faults caused in the simulated bin (simulated seconds)")
    for column in ("fault", "told", "noticed", "over", "items", "lost", "moved", "outcome"):
        justify: Literal["left", "right"] = "left" if column in ("fault", "told", "outcome") else "right"
        shown.add_column(column, justify=justify, no_wrap=column == "fault")
    for result in results:
        over = "next start" if result.restarted else _seconds(result.recovered_s)
        shown.add_row(
            result.code, "yes" if result.published else "when the broker is back",
            _seconds(result.noticed_s), over, str(result.items), str(result.lost), str(result.forbidden_pulses),
            "; ".join(result.problems) or "as it should",
        )  # fmt: skip
    return shown


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
