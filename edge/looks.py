"""What may be looked at over the control socket. None of it changes anything."""

from __future__ import annotations

import base64
from typing import Any

from edge.control import (
    Command,
    CommandError,
    DiagnosisArguments,
    DiagnosisFile,
    FillView,
    HardwareResult,
    LogResult,
    PictureArguments,
    StatusResult,
    SwitchView,
    TrendResult,
    ViewArguments,
    picture_response,
    view_response,
)
from edge.daemon import Daemon
from edge.model_look import model_response, report_picture
from edge.recent_log import RECENT
from edge.update.updater import Updater


def looks_of(daemon: Daemon, updater: Updater) -> dict[str, Command]:
    """The commands by name. They run on the control socket's threads."""

    def status(_: dict[str, Any]) -> dict[str, Any]:
        return StatusResult(
            bin_id=daemon.config.bin_id,
            state=daemon.state(),
            broker="connected" if daemon.publisher.connected else "down",
            outbox=daemon.journal.depth(),
            counts=daemon.journal.counts(),
            uptime_s=daemon.clock.monotonic_s() - daemon.started_s,
            fill=_fill(daemon),
        ).to_dict()

    def picture(arguments: dict[str, Any]) -> dict[str, Any]:
        return picture_response(daemon.live, daemon.clock, PictureArguments.model_validate(arguments))

    def view(arguments: dict[str, Any]) -> dict[str, Any]:
        return view_response(daemon.live, ViewArguments.model_validate(arguments).known)

    def recent(_: dict[str, Any]) -> dict[str, Any]:
        return daemon.recent.result().to_dict()

    def hardware(_: dict[str, Any]) -> dict[str, Any]:
        return HardwareResult(
            mode=daemon.state().mode,
            phase=daemon.live.snapshot().phase,
            armed_s=daemon.arming.left_s(),
            homed=daemon.guard.homed,
            latched=daemon.guard.latched,
            homing=list(daemon.guard.home_refusals()),
            forbidden={name: list(daemon.guard.refusals(name)) for name in sorted(daemon.config.actuator.positions)},
            switches=[
                SwitchView(name=each.name, role=each.config.role, active=each.active(), unsteady=each.unsteady())
                for each in daemon.safety.switches
            ],
            fill=_fill(daemon),
            lamp=daemon.lamp is not None,
        ).to_dict()

    def trend(_: dict[str, Any]) -> dict[str, Any]:
        return TrendResult(samples=daemon.trend.samples()).to_dict()

    def log(_: dict[str, Any]) -> dict[str, Any]:
        return LogResult(lines=RECENT.text().splitlines()).to_dict()

    def diagnosis(arguments: dict[str, Any]) -> dict[str, Any]:
        name = DiagnosisArguments.model_validate(arguments).name
        try:
            content = (daemon.config.state_dir / "diagnose" / name).read_bytes()
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror or error}") from None
        return DiagnosisFile(name=name, content=base64.b64encode(content).decode("ascii")).to_dict()

    commands = (status, picture, view, recent, hardware, trend, log, diagnosis)
    return {
        **{command.__name__: command for command in commands},
        "model": lambda _: model_response(daemon, updater),
        "report_picture": lambda arguments: report_picture(daemon, arguments),
    }


def _fill(daemon: Daemon) -> dict[str, FillView]:
    full, levels = daemon.safety().full, daemon.fill.levels
    return {
        name: FillView(percent=levels[name].percent if name in levels else None, full=name in full)
        for name in sorted(daemon.config.actuator.positions)
    }
