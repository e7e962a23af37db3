"""A whole simulated bin that is set up as the console does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.config import Config, OpenCvCamera
from edge.config.setup import SetPresence, Setup
from edge.errors import CommandError
from edge.setup.file import SetupFile
from edge.setup.messages import BrokerTestResult, ConfigText, SetUpResult, SetupResult
from tests.brokers import PASSWORD, Mosquitto, free_port
from tests.edge.commands.test_actions import Bin, config, running

__all__ = ["config"]

REGION = [0.1, 0.2, 0.9, 0.8]


class Asked:
    """The bin's setup, by its control socket's commands."""

    def __init__(self, bin_: Bin) -> None:
        self.bin, self._commands = bin_, bin_.commands

    def ask(self, cmd: str, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(json.dumps(self._commands[cmd](arguments)))
        return answer

    @property
    def now(self) -> SetupResult:
        return SetupResult.model_validate(self.ask("setup"))

    def set_up(self, was: str | None = None, **sections: dict[str, Any]) -> SetUpResult:
        """Change these sections, and leave the others as they are."""
        now = self.now
        setup = now.setup.model_dump(mode="json") | sections
        return SetUpResult.model_validate(self.ask("set_up", was=was or now.was, setup=setup))

    def undo(self) -> SetUpResult:
        return SetUpResult.model_validate(self.ask("undo_setup", was=self.now.was))


def sorting(config: Config, **changes: Any) -> dict[str, Any]:
    return {**config.sorting.model_dump(mode="json"), **changes}


def test_a_bin_runs_with_what_is_set_up_and_without_it_when_it_does_not_fit(config: Config) -> None:
    file = SetupFile(config.state_dir)
    file.write(Setup(presence=SetPresence(region=(0.1, 0.2, 0.9, 0.8))), "today", "the test")
    with running(config) as bin_:
        assert bin_.daemon.config.presence.region == (0.1, 0.2, 0.9, 0.8)
        assert "settings_lost" not in bin_.codes()
    file.path.write_text("sorting: {routes: {glass: attic}, residual: residual}")
    with running(config) as bin_:
        assert bin_.daemon.config == config
        (fault,) = [fault for fault in bin_.daemon.faults.standing() if fault.code == "settings_lost"]
        assert "setup.yaml is not used: sorting.routes.glass: no position" in fault.message
        assert "Setup tab" in fault.remedy
        unfit = Asked(bin_).now.unfit
        assert unfit is not None
        assert "sorting.routes.glass" in unfit


def test_routes_and_thresholds_hold_at_once_and_the_tray_after_the_next_start(config: Config) -> None:
    with running(config) as bin_:
        asked = Asked(bin_)
        assert (asked.now.over, asked.now.undoable) == ([], False)
        routes = config.sorting.routes | {"cardboard": "plastic"}
        done = asked.set_up(
            sorting=sorting(config, routes=routes, residual="metal", min_probability=0.8), presence={"region": REGION}
        )
        assert (done.changed, done.waits) == (["presence", "sorting"], ["presence"])
        assert bin_.daemon.sorter.policy.routes["cardboard"] == "plastic"
        assert min(bin_.daemon.sorter.policy.acceptance.values()) >= 0.8
        assert (bin_.daemon.state().residual, bin_.daemon.state().min_probability) == ("metal", 0.8)
        assert list(bin_.daemon.config.presence.region) == [0, 0, 1, 1]
        assert asked.now.over == ["presence", "sorting"]
    with running(config) as bin_:
        assert list(bin_.daemon.config.presence.region) == REGION
        assert bin_.daemon.state().residual == "metal"
        assert Asked(bin_).now.waits == []


def test_undo_holds_at_once_too_and_only_what_differs_from_the_config_file_is_written(config: Config) -> None:
    with running(config) as bin_:
        asked = Asked(bin_)
        with pytest.raises(CommandError, match="nothing was set up yet"):
            asked.undo()
        asked.set_up(sorting=sorting(config, min_probability=0.8))
        written = yaml.safe_load((config.state_dir / "setup.yaml").read_text())
        assert list(written) == ["sorting"]
        assert asked.undo().changed == ["sorting"]
        assert bin_.daemon.min_probability == config.sorting.min_probability
        assert asked.undo().changed == ["sorting"], "an undo is undone"
        assert bin_.daemon.min_probability == 0.8


def test_what_a_start_would_refuse_is_not_written(config: Config) -> None:
    labels = dict(list(config.sorting.routes.items())[1:])
    with running(config) as bin_:
        asked = Asked(bin_)
        for section, value, said in (
            ("sorting", sorting(config, routes=labels), r"without a route: \['cardboard'\]"),
            ("sorting", sorting(config, residual="attic"), "sorting.residual: no position"),
            ("sorting", sorting(config, min_probability=2), "min_probability: Input should be less than"),
            ("presence", {"region": [0.5, 0, 0.5, 1]}, "region: x0 0.5 is not left of x1"),
            ("actuator", {"positions": {"glass": {"turn_deg": 200}}}, "turn_deg"),
            ("mqtt", {"host": "broker", "port": 1883, "username": "b", "password_file": "/gone"}, "/gone"),
            ("state_dir", "/tmp", "state_dir: Extra inputs are not permitted"),
        ):
            with pytest.raises(CommandError, match=said):
                asked.set_up(**{section: value})
        assert not (config.state_dir / "setup.yaml").exists()
        assert asked.now.over == []


def test_of_two_who_set_up_at_once_the_second_is_told(config: Config) -> None:
    with running(config) as bin_:
        asked = Asked(bin_)
        was = asked.now.was
        asked.set_up(was=was, sorting=sorting(config, min_probability=0.8))
        with pytest.raises(CommandError, match="somebody else has changed the setup meanwhile"):
            asked.set_up(was=was, sorting=sorting(config, min_probability=0.6))
        assert bin_.daemon.min_probability == 0.8


def test_a_threshold_set_over_the_broker_is_shown_and_moves_into_the_setup_with_the_next_change(config: Config) -> None:
    with running(config) as bin_:
        asked = Asked(bin_)
        bin_.ask("set_threshold", min_probability=0.9)
        shown = asked.now.setup.sorting
        assert shown is not None
        assert (shown.min_probability, asked.now.waits) == (0.9, [])
        asked.set_up(sorting=sorting(config, min_probability=0.7))
        assert bin_.daemon.settings.now.min_probability is None
        assert bin_.daemon.min_probability == 0.7


def test_a_new_compartment_and_what_is_routed_to_it_wait_for_the_next_start(config: Config) -> None:
    positions = {**config.actuator.model_dump()["positions"], "cans": {"turn_deg": 60}}
    routes = config.sorting.routes | {"metal": "cans"}
    with running(config) as bin_:
        done = Asked(bin_).set_up(actuator={"positions": positions}, sorting=sorting(config, routes=routes))
        assert done.waits == ["sorting", "actuator"]
        assert bin_.daemon.sorter.policy.routes["metal"] == "metal"
    with running(config) as bin_:
        assert bin_.daemon.sorter.policy.routes["metal"] == "cans"


def test_the_whole_config_is_had_as_one_valid_file_without_secrets(config: Config) -> None:
    camera = OpenCvCamera(type="opencv", source="rtsp://kim:hunter22@camera/1")
    with running(config) as bin_:
        asked = Asked(bin_)
        asked.set_up(presence={"region": REGION})
        text = ConfigText.model_validate(asked.ask("config_text")).yaml
        assert list(Config.model_validate(yaml.safe_load(text)).presence.region) == REGION
        assert "# the tray in the picture" in text
        bin_.daemon.given = config.model_copy(update={"camera": camera})
        assert "hunter22" not in ConfigText.model_validate(asked.ask("config_text")).yaml


def test_who_set_up_what_is_written_down_and_no_broker_may_ask_for_it(config: Config) -> None:
    with running(config) as bin_:
        asked = Asked(bin_)
        asked.set_up(sorting=sorting(config, min_probability=0.8))
        (row,) = [row for row in bin_.registry.log.newest(5) if row["cmd"] == "set_up"]
        assert row["via"] == "socket"
        assert json.loads(row["response"])["ok"]
        assert not {"setup", "set_up", "undo_setup", "test_broker", "restart"} & set(bin_.registry.commands)


@pytest.mark.needs_mosquitto
def test_a_broker_is_tried_as_the_bin_would_connect(config: Config, guarded_broker: Mosquitto, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    here = {"host": guarded_broker.host, "port": guarded_broker.port}
    with running(config) as bin_:
        asked = Asked(bin_)

        def tried(**mqtt: Any) -> str:
            return BrokerTestResult.model_validate(asked.ask("test_broker", mqtt=mqtt)).said

        assert "accepts this bin" in tried(**here, username="bin", password_file=str(secret))
        assert "own broker" in tried(host="127.0.0.1", port=1883, embedded_broker=True)
        for mqtt, said in (
            (here, "refused the connection: Not authorized"),
            ({**here, "username": "bin", "password_file": str(tmp_path / "gone")}, "password_file"),
            ({"host": "127.0.0.1", "port": free_port()}, "cannot reach a broker"),
            ({"host": "127.0.0.1", "port": 0}, "mqtt.port: Input should be greater than"),
        ):
            with pytest.raises(CommandError, match=said):
                tried(**mqtt)
        assert not (config.state_dir / "setup.yaml").exists(), "a test changes nothing"
