"""`python -m edge model`: the models of a bin, with its daemon or without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from edge.bundle import Bundle, load_trusted
from edge.captures.messages import CompareArguments, ComparisonResult, ComparisonView
from edge.classify import Classifier
from edge.clock import SystemClock
from edge.config import Config
from edge.control import ControlClient
from edge.domain import Engine
from edge.errors import BundleError, CommandError, ControlError, UpdateError
from edge.faults import Faults
from edge.live import Live
from edge.payloads import UpdateArguments, UpdatePayload
from edge.readiness import config_in_use, make_state_dir, policy_of
from edge.update.site import candidate_engine, slots_of, trust_of
from edge.update.slots import Slot
from edge.update.updater import Model, Updater, usable

COMPARE_POLL_S = 1.0


def listed(config: Config) -> list[dict[str, Any]]:
    """Each place for a model: what is in it, and whether it sorts."""
    slots, rows = slots_of(config), list[dict[str, Any]]()
    pointer = slots.pointer
    places: tuple[Slot, ...] = ("config", "a", "b")
    for slot in places:
        path = slots.path_of(slot)
        if not path.exists():
            continue
        role = "sorts" if slot == pointer.current else "before" if slot == pointer.previous else ""
        row: dict[str, Any] = {"slot": slot, "role": role, "path": str(path)}
        try:
            bundle = load_trusted(path, trust_of(config))
            rows.append(row | {"name": bundle.manifest.name, "version": bundle.manifest.version, "problem": None})
        except BundleError as error:
            rows.append(row | {"name": None, "version": None, "problem": str(error)})
    return rows


def install(config: Config, arguments: UpdateArguments) -> str:
    """Ask the daemon for an update; where none runs, do it here, without a shadow. What to tell people."""
    with _daemon(config) as daemon:
        if daemon is not None:
            daemon.request("update", **arguments.model_dump())
            return "the daemon has begun; python -m edge model list, or the topic update, tells how it goes"
    make_state_dir(config)
    told: list[UpdatePayload] = []
    with _updater(config, told) as updater:
        updater.update(arguments.model_copy(update={"shadow_items": 0}))
        while updater.busy:
            updater.tend()
            time.sleep(0.05)
    if told[-1].error is not None:
        raise UpdateError(told[-1].error)
    return f"version {told[-1].installed_version} sorts from the next start on"


def compare(config: Config, asked: CompareArguments, tell: Callable[[ComparisonView], None]) -> ComparisonResult:
    """Two models of the bin on what people named, by the daemon, beside the sorting. tell: how far it is.

    Raises:
        ControlError: no daemon runs. CommandError: it does not compare now. UpdateError: nothing came of it.
    """
    with _daemon(config) as daemon:
        if daemon is None:
            raise ControlError("no daemon runs, which would compare beside the sorting; start it: python -m edge run")
        daemon.request("compare_models", **asked.model_dump())
        while (view := ComparisonView.model_validate(daemon.request("comparison"))).running:
            tell(view)
            time.sleep(COMPARE_POLL_S)
    if view.result is None:
        raise UpdateError(view.error or "the comparison was ended")
    return view.result


def rollback(config: Config) -> str:
    """The model before sorts again. What to tell people."""
    with _daemon(config) as daemon:
        if daemon is not None:
            return f"the daemon goes back to version {daemon.request('rollback')['version']}"
    previous = slots_of(config).pointer.previous
    if previous is None:
        raise UpdateError("there is no model before this one")
    return switch(config, previous)


def switch(config: Config, slot: Slot) -> str:
    """The model in this place sorts from the next start on. What to tell people.

    Raises:
        UpdateError: the daemon runs. BundleError: the model cannot be used.
    """
    with _daemon(config) as daemon:
        if daemon is not None:
            raise UpdateError("the daemon runs; ask it for an update or a rollback, or stop it first")
    slots = slots_of(config)
    bundle = load_trusted(slots.path_of(slot), trust_of(config))
    config_in_use(config, bundle)
    with candidate_engine(config, bundle):
        slots.point_at(slot)
        slots.confirm()
    return f"version {bundle.manifest.version} sorts from the next start on"


@contextmanager
def _daemon(config: Config) -> Iterator[ControlClient | None]:
    """The running daemon; None where none runs."""
    client = ControlClient(config.control_socket, timeout_s=60.0)
    try:
        client.request("status")
    except CommandError:
        yield client
    except ControlError:
        yield None
    else:
        yield client


class _NoEngine:
    """Where nothing sorts, there is nothing to switch; the candidate has passed its golden test already."""

    def use(self, bundle: Bundle) -> None:
        """At the next start."""

    def wait(self) -> bool:
        return True


def _updater(config: Config, told: list[UpdatePayload]) -> Updater:
    faults, live, slots = Faults(SystemClock()), Live(), slots_of(config)
    live.update(phase="waiting")
    bundle = usable(slots, trust_of(config), lambda bundle: config_in_use(config, bundle), faults)
    return Updater(
        config.update,
        slots,
        trust_of(config),
        Model(
            Classifier(bundle, cast(Engine, _NoEngine())),
            _NoEngine(),
            lambda bundle: policy_of(config_in_use(config, bundle).config, bundle),
            lambda policy: None,
        ),
        faults,
        live,
        candidate=lambda bundle: candidate_engine(config, bundle),
        publish=told.append,
    )
