"""What the console and `python -m edge ctl` may ask of the daemon. None of it goes round the guard."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge.captures.commands import capture_commands
from edge.captures.messages import CompareArguments
from edge.control import (
    PEER,
    ClassifyArguments,
    Command,
    CommandError,
    MaintenanceArguments,
    ModelUploadArguments,
    RecordResult,
    RequestsArguments,
)
from edge.daemon import Daemon
from edge.looks import looks_of
from edge.requests import Caller, Registry
from edge.restart import Restart
from edge.setup.commands import SettingUp
from edge.trial import try_photograph
from edge.update.beside import Beside
from edge.update.comparison import Comparison
from edge.update.site import slots_of
from edge.update.updater import Updater
from edge.update.upload import Upload

BLINK_S = 1.0

Model = TypeVar("Model", bound=BaseModel)


def commands_of(
    daemon: Daemon, registry: Registry, updater: Updater, beside: Beside, comparison: Comparison, restart: Restart
) -> dict[str, Command]:
    """The daemon's commands, by name. They run on the control socket's threads.

    What only looks is in edge/looks.py; what changes something is the registry's, which MQTT asks too, and is written
    down.
    """

    def classify(arguments: dict[str, Any]) -> dict[str, Any]:
        return try_photograph(daemon, beside, _checked(ClassifyArguments, arguments)).to_dict()

    def maintenance(arguments: dict[str, Any]) -> dict[str, Any]:
        on = _checked(MaintenanceArguments, arguments).on
        return registry.ask("set_mode", {"mode": "maintenance" if on else "auto"}, _caller())

    def requests(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"requests": registry.log.newest(_checked(RequestsArguments, arguments).newest)}

    def record(_: dict[str, Any]) -> dict[str, Any]:
        if daemon.recorder is None:
            raise CommandError("recorder: null in the config: nothing is recorded")
        path, items = daemon.recorder.record("asked for")
        return RecordResult(path=str(path), items=items).to_dict()

    def blink_lamp(_: dict[str, Any]) -> dict[str, Any]:
        if daemon.lamp is None:
            raise CommandError("lamp: null in the config: the bin switches none")
        if not daemon.safety.paused:
            raise CommandError("blink_lamp is for a bin that is paused; give pause first")
        daemon.lamp.put_out()
        try:
            daemon.clock.sleep(BLINK_S)
        finally:
            daemon.lamp.light()
        return {}

    def model_upload(arguments: dict[str, Any]) -> dict[str, Any]:
        """Nothing sorts by it: that takes an `update`, which is written down."""
        updater.check_free()
        return upload.take(_checked(ModelUploadArguments, arguments)).to_dict()

    def compare_models(arguments: dict[str, Any]) -> dict[str, Any]:
        comparison.start(_checked(CompareArguments, arguments))
        return {}

    upload = Upload(slots_of(daemon.config).folder, daemon.config.update)
    commands = (classify, maintenance, requests, record, blink_lamp, model_upload, compare_models)
    return {
        **looks_of(daemon, updater),
        **{cmd: partial(_ask, registry, cmd) for cmd in registry.commands},
        **{command.__name__: command for command in commands},
        "comparison": lambda _: comparison.view().to_dict(),
        **SettingUp(daemon, registry, _caller, restart).commands(),
        **capture_commands(daemon.captures, daemon.clock, enabled=daemon.config.captures.enabled),
    }


def _ask(registry: Registry, cmd: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return registry.ask(cmd, arguments, _caller())


def _caller() -> Caller:
    """Whoever may open the socket is trusted: the daemon's user, and the group that the config names."""
    return Caller("socket", PEER.get(), trusted=True)


def _checked(model: type[Model], arguments: dict[str, Any]) -> Model:
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        raise CommandError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
