"""What the console asks about the setup, over the control socket alone: no broker may say which broker is used."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge.config import Config
from edge.config.commented import commented
from edge.config.explain import named
from edge.config.setup import Setup, differences, setup_of, with_setup
from edge.control import Command, CommandError
from edge.daemon import Daemon
from edge.errors import ConfigError
from edge.mqtt.client import probe
from edge.readiness import check_config, config_in_use, policy_of
from edge.requests import Caller, Registry
from edge.restart import Restart
from edge.scrub import scrub_document
from edge.setup.file import SetupFile
from edge.setup.messages import (
    BrokerTestArguments,
    BrokerTestResult,
    ConfigText,
    SetUpArguments,
    SetUpResult,
    SetupResult,
    UndoSetupArguments,
)

Model = TypeVar("Model", bound=BaseModel)


class SettingUp:
    """The setup of a running bin, and the restart that some of it waits for. Safe from any thread.

    caller: who asks on this thread.
    """

    def __init__(self, daemon: Daemon, registry: Registry, caller: Callable[[], Caller], restart: Restart) -> None:
        self._daemon, self._registry, self._caller, self._restart = daemon, registry, caller, restart
        self._file = SetupFile(daemon.given.state_dir)
        self._changing, self._testing = threading.Lock(), threading.Lock()

    def commands(self) -> dict[str, Command]:
        """By name."""
        changing = (self.set_up, self.undo_setup, self.test_broker, self.restart)
        return {
            "setup": self.setup,
            "config_text": self.config_text,
            **{command.__name__: self._noted(command) for command in changing},
        }

    def setup(self, _: dict[str, Any]) -> dict[str, Any]:
        daemon, next_start = self._daemon, self._next_start()
        manifest = daemon.classifier.bundle.manifest
        return SetupResult(
            was=_mark(next_start),
            setup=setup_of(next_start),
            labels=list(manifest.labels),
            promises=sorted(row.promised for row in manifest.contamination),
            mechanism=daemon.given.actuator.type,
            over=list(differences(daemon.given, next_start)),
            waits=self._waits(next_start),
            undoable=self._file.undoable,
            unfit=config_in_use(daemon.given, daemon.classifier.bundle).unfit,
            by_hand=self._restart.impossible,
        ).to_dict()

    def config_text(self, _: dict[str, Any]) -> dict[str, Any]:
        config = self._next_start()
        heading = f"The bin {config.bin_id}: its config file, with what was set up over it."
        return ConfigText(yaml=commented(config, heading, scrub_document)).to_dict()

    def set_up(self, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = _checked(SetUpArguments, arguments)

        def write(wanted: Config) -> None:
            setup = Setup.model_validate(differences(self._daemon.given, wanted))
            self._file.write(setup, f"{self._daemon.clock.utc():%Y-%m-%d %H:%M UTC}", self._caller().who)

        return self._change(asked.was, lambda: asked.setup, write)

    def undo_setup(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if not self._file.undoable:
            raise CommandError("nothing was set up yet: there is nothing to undo")
        was = _checked(UndoSetupArguments, arguments).was
        return self._change(was, self._file.previous, lambda wanted: self._file.undo())

    def test_broker(self, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = Setup(mqtt=_checked(BrokerTestArguments, arguments).mqtt)
        mqtt = with_setup(self._daemon.given, asked).mqtt
        if mqtt.embedded_broker:
            return BrokerTestResult(said="the bin's own broker starts with the bin; there is none to try").to_dict()
        if not self._testing.acquire(blocking=False):
            raise CommandError("another test of a broker is under way; wait for it")
        try:
            probe(mqtt)
        finally:
            self._testing.release()
        encrypted = "encrypted" if mqtt.tls else "not encrypted"
        return BrokerTestResult(said=f"{mqtt.host}:{mqtt.port} accepts this bin ({encrypted})").to_dict()

    def restart(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments:
            raise CommandError("restart takes no arguments")
        self._restart.ask()
        return {}

    def _change(self, was: str, setup: Callable[[], Setup], write: Callable[[Config], None]) -> dict[str, Any]:
        """Check it as a start would, write it, and use at once what can be."""
        daemon = self._daemon
        with self._changing:
            before = self._next_start()
            if was != _mark(before):
                raise CommandError("somebody else has changed the setup meanwhile; look at it again, and change that")
            wanted = with_setup(daemon.given, setup())
            check_config(wanted, daemon.classifier.bundle)
            changed = differences(before, wanted)
            if changed:
                write(wanted)
                self._use(wanted)
            return SetUpResult(changed=list(changed), waits=self._waits(wanted)).to_dict()

    def _use(self, wanted: Config) -> None:
        """Routes, costs and thresholds hold from the next item on, unless they need compartments of the next start."""
        daemon, bundle = self._daemon, self._daemon.classifier.bundle
        try:
            running = with_setup(daemon.config, Setup(sorting=wanted.sorting))
        except ConfigError:
            running = daemon.config
        try:
            if daemon.settings.now.min_probability is not None:  # from now on it stands in the setup
                daemon.settings.set_min_probability(None)
        finally:
            daemon.use_sorting(running.sorting, policy_of(running, bundle))

    def _next_start(self) -> Config:
        """The config as the next start takes it, with the threshold that was set over MQTT or by `ctl`."""
        config = config_in_use(self._daemon.given, self._daemon.classifier.bundle).config
        kept = self._daemon.settings.now.min_probability
        if kept is None:
            return config
        return config.model_copy(update={"sorting": config.sorting.model_copy(update={"min_probability": kept})})

    def _waits(self, wanted: Config) -> Any:
        running = self._daemon.config
        kept = {"min_probability": self._daemon.min_probability}
        now = running.model_copy(update={"sorting": running.sorting.model_copy(update=kept)})
        return list(differences(now, wanted))

    def _noted(self, command: Command) -> Command:
        return lambda arguments: self._registry.note(
            command.__name__, arguments, self._caller(), lambda: command(arguments)
        )


def _checked(model: type[Model], arguments: dict[str, Any]) -> Model:
    """Raises CommandError: they are not the command's."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise CommandError("; ".join(map(named, error.errors()))) from None


def _mark(config: Config) -> str:
    return hashlib.sha256(setup_of(config).model_dump_json().encode()).hexdigest()[:16]
