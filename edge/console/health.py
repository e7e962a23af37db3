"""The health tab: how the bin has done over the last hours, its versions, its log."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from edge import __version__
from edge.console import words
from edge.console.page import trouble
from edge.console.parts import QUIET, html, may_only_look
from edge.console.plot import plot
from edge.control import ControlClient, DiagnosisFile, LogResult, StatusResult, TrendResult
from edge.errors import ControlError, SmartbinError
from edge.payloads import TelemetryPayload

TICK_S = 3.0
LINES_SHOWN = 300
LEVELS = ("all", "warnings and errors", "errors")
_WORSE = {"all": (), "warnings and errors": (" WARNING ", " ERROR ", " CRITICAL "), "errors": (" ERROR ", " CRITICAL ")}
_DOWNLOAD = (
    '<form method="post" action="diagnose" class="download"><button>Download the diagnose bundle</button>'
    "<p>Log, config, faults, events, requests and versions in one zip, without passwords and pictures.</p></form>"
)


def health_tab(client: ControlClient) -> gr.Timer:
    """The tab; the timer that keeps it live runs while it is open."""
    facts = html("", "facts")
    plots = html("", "plots")
    html(_DOWNLOAD, "diagnose")
    with gr.Row():
        wanted = gr.Textbox(label="Log lines with", placeholder="any text", elem_id="log-filter", max_lines=1)
        level = gr.Dropdown(list(LEVELS), value="all", label="Level", elem_id="log-level")
    log = html("", "log")
    timer = gr.Timer(TICK_S, active=False)

    def look(text: str, least: str, request: gr.Request) -> list[str]:
        lines = "" if may_only_look(request) else _shown(lambda: log_of(_log(client), text, least))
        return [_shown(lambda: facts_of(_status(client))), _shown(lambda: plots_of(_trend(client))), lines]

    asked: dict[str, Any] = {"fn": look, "inputs": [wanted, level], "outputs": [facts, plots, log], **QUIET}
    timer.tick(**asked)
    wanted.change(**asked)
    level.change(**asked)
    return timer


def diagnosis(client: ControlClient) -> tuple[str, bytes]:
    """A new bundle's name and content.

    Raises:
        ControlError, CommandError: there is none.
    """
    path = str(client.request("diagnose")["path"])
    try:
        file = DiagnosisFile.model_validate(client.request("diagnosis", name=path.rsplit("/", 1)[-1]))
    except ValidationError:
        raise ControlError("the daemon is of another version; restart the console") from None
    return file.name, base64.b64decode(file.content)


def facts_of(status: StatusResult) -> str:
    """Versions, engine, how long it runs, what waits."""
    versions = status.state.versions
    facts = {
        "Program": versions.program,
        "Console": __version__,
        "Model": versions.model,
        "Engine": status.state.engine,
        "Running for": words.duration(status.uptime_s),
        "Broker": status.broker,
        "Events not yet sent": str(status.outbox),
        "Faults": ", ".join(fault.code for fault in status.state.faults) or "none",
    }
    rows = "".join(f'<tr><th scope="row">{name}</th><td>{escape(fact)}</td></tr>' for name, fact in facts.items())
    return f"<table><tbody>{rows}</tbody></table>"


def plots_of(samples: list[TelemetryPayload]) -> str:
    """Latency, temperature, memory, outbox and disk over time."""
    if not samples:
        return '<div class="placeholder"><p>No numbers yet: there is a sample each minute (mqtt.telemetry_s).</p></div>'
    times = [sample.ts for sample in samples]

    def of(*fields: str) -> dict[str, list[float | None]]:
        return {_SHORT.get(field, ""): [getattr(sample, field) for sample in samples] for field in fields}

    drawn = [
        plot("Inference", "ms", times, of("infer_p50_ms", "infer_p95_ms")),
        plot("Movement", "ms", times, of("actuate_p50_ms", "actuate_p95_ms")),
        plot("Pictures", "a second", times, of("fps")),
        plot("Temperature", "°C", times, of("temperature_c")),
        plot("Memory", "MiB", times, of("memory_mib")),
        plot("Outbox", "events", times, of("outbox_depth")),
        plot("Free disk", "MiB", times, of("disk_free_mib")),
        plot("Faults", "standing", times, of("fault_count")),
    ]
    return f'<div class="plots">{"".join(drawn)}</div>'


_SHORT = {
    "infer_p50_ms": "median",
    "infer_p95_ms": "95%",
    "actuate_p50_ms": "median",
    "actuate_p95_ms": "95%",
}


def log_of(lines: list[str], text: str, least: str) -> str:
    """The newest lines with the text in them, newest first."""
    worse = _WORSE.get(least, ())
    kept = [
        line
        for line in reversed(lines)
        if text.lower() in line.lower() and (not worse or any(level in line for level in worse))
    ]
    if not kept:
        return "<p>No such line.</p>"
    count = f"{len(kept)} of {words.items(len(lines), 'line')}, newest first"
    return f'<p>{count}</p><pre tabindex="0" aria-label="Log">{escape(chr(10).join(kept[:LINES_SHOWN]))}</pre>'


def _shown(part: Callable[[], str]) -> str:
    try:
        return part()
    except ValidationError:
        return trouble("Another version", "The daemon is of another version; restart the console.")
    except SmartbinError as error:
        return trouble("The bin's daemon does not answer", words.sentence(error))


def _status(client: ControlClient) -> StatusResult:
    return StatusResult.model_validate(client.request("status"))


def _trend(client: ControlClient) -> list[TelemetryPayload]:
    return TrendResult.model_validate(client.request("trend")).samples


def _log(client: ControlClient) -> list[str]:
    return LogResult.model_validate(client.request("log")).lines
