"""What the console and `python -m edge ctl` may ask of the daemon. None of it goes round the guard."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge.bundle import decode
from edge.captures.commands import capture_commands
from edge.control import (
    PEER,
    ClassifyArguments,
    ClassifyResult,
    Command,
    CommandError,
    FillView,
    MaintenanceArguments,
    PictureArguments,
    RecordResult,
    RequestsArguments,
    StatusResult,
    ViewArguments,
    picture_response,
    view_response,
)
from edge.daemon import Daemon
from edge.decide import decide, plain_policy
from edge.payloads import TopPayload
from edge.requests import Caller, Registry

Model = TypeVar("Model", bound=BaseModel)


def commands_of(daemon: Daemon, registry: Registry) -> dict[str, Command]:
    """The daemon's commands, by name. They run on the control socket's threads.

    What only looks is here; what changes something is the registry's, which MQTT asks too, and is written down.
    """

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
        return picture_response(daemon.live, daemon.clock, _checked(PictureArguments, arguments))

    def view(arguments: dict[str, Any]) -> dict[str, Any]:
        return view_response(daemon.live, _checked(ViewArguments, arguments).known)

    def recent(_: dict[str, Any]) -> dict[str, Any]:
        return daemon.recent.result().to_dict()

    def classify(arguments: dict[str, Any]) -> dict[str, Any]:
        request = _checked(ClassifyArguments, arguments)
        classifier = daemon.classifier
        prediction = classifier.predict(classifier.prepare([decode(request.image, name=request.name)]))
        decision = decide(prediction, plain_policy(classifier.bundle.manifest))
        return ClassifyResult(
            top3=[TopPayload(label=label, p=p) for label, p in prediction.top3],
            novelty=prediction.novelty,
            accepted=decision.accepted,
            reason=decision.reason.value,
            evidence=prediction.class_maps[prediction.labels.index(decision.label)].tolist(),
            latency_ms=1000 * prediction.latency_s,
        ).to_dict()

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

    commands = (status, picture, view, recent, classify, maintenance, requests, record)
    return {
        **{cmd: partial(_ask, registry, cmd) for cmd in registry.commands},
        **{command.__name__: command for command in commands},
        **capture_commands(daemon.captures, daemon.clock, enabled=daemon.config.captures.enabled),
    }


def _ask(registry: Registry, cmd: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return registry.ask(cmd, arguments, _caller())


def _caller() -> Caller:
    """Whoever may open the socket is trusted: the daemon's user, and the group that the config names."""
    return Caller("socket", PEER.get(), trusted=True)


def _fill(daemon: Daemon) -> dict[str, FillView]:
    full, levels = daemon.safety().full, daemon.fill.levels
    return {
        name: FillView(percent=levels[name].percent if name in levels else None, full=name in full)
        for name in sorted(daemon.config.actuator.positions)
    }


def _checked(model: type[Model], arguments: dict[str, Any]) -> Model:
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        raise CommandError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
