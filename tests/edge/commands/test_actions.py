"""What the commands do to a whole bin, simulated, in simulated time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from edge.build import open_daemon, registry_of, updater_of
from edge.bundle import decode
from edge.clock import ManualClock
from edge.commands import commands_of
from edge.config import Config, load_config
from edge.daemon import Daemon
from edge.engines.process import WORKER
from edge.engines.supervised import SupervisedEngine
from edge.errors import CommandError
from edge.payloads import COMMANDS
from edge.requests import Caller
from edge.requests.snapshot import KEPT
from edge.restart import Restart
from edge.sim.hardware import SimulatedHardware
from edge.sim.mechanism import MechanismFault
from edge.update.beside import Beside
from edge.update.comparison import Comparison
from edge.update.updater import Updater
from tests.brokers import free_port

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"
AT_THE_BIN = Caller("socket", "the test", trusted=True)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The simulated bin, with a broker that is not there."""
    plain = load_config(SIM)
    mqtt = plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()})
    return plain.model_copy(update={"state_dir": tmp_path, "mqtt": mqtt})


def no_updates(daemon: Daemon) -> Updater:
    engine = daemon.classifier.engine
    assert isinstance(engine, SupervisedEngine)
    return updater_of(daemon, engine, lambda bundle: nullcontext(engine), lambda item, other: None)


class Bin:
    """A daemon whose commands are asked as the console asks them."""

    def __init__(self, daemon: Daemon, hardware: SimulatedHardware) -> None:
        self.daemon, self.hardware = daemon, hardware
        updater = no_updates(daemon)
        self.registry = registry_of(daemon, updater)
        beside = Beside(daemon.config)
        comparison = Comparison(daemon.captures, beside.classifier, lambda: "waiting", lambda: updater.busy)
        by_hand = Restart(daemon, service=False, check=lambda: None, check_free=updater.check_free)
        self.commands = commands_of(daemon, self.registry, updater, beside, comparison, by_hand)

    def ask(self, cmd: str, **arguments: Any) -> dict[str, Any]:
        return self.registry.ask(cmd, arguments, AT_THE_BIN)

    def look(self, cycles: int = 30) -> int:
        """Let so many cycles pass; how many items were sorted."""
        sorted_items = 0
        for _ in range(cycles):
            sorted_items += self.daemon._cycle() is not None
            self.daemon.clock.sleep(1.0 / self.daemon.config.loop_hz)
        return sorted_items

    def codes(self) -> set[str]:
        return {fault.code for fault in self.daemon.faults.standing()}


@contextmanager
def running(config: Config, engine_command: Sequence[str] = ("false",)) -> Iterator[Bin]:
    """A bin, without an engine where nothing is to be sorted: opening one takes seconds."""
    hardware = SimulatedHardware()
    with ExitStack() as stack:
        daemon = stack.enter_context(
            open_daemon(config, ManualClock(), hardware=hardware, engine_command=engine_command)
        )
        yield Bin(daemon, hardware)


def test_a_paused_bin_sorts_nothing_until_it_is_resumed(config: Config) -> None:
    with running(config, WORKER) as bin_:
        assert bin_.ask("pause") == {"mode": "paused"}
        assert bin_.look(60) == 0
        assert bin_.daemon.state().mode == "paused"
        assert not bin_.daemon.guard.homed, "it does not home by itself either"
        bin_.ask("resume")
        assert bin_.daemon.run(max_items=1) == 1
        assert bin_.daemon.state().mode == "auto"
        bin_.ask("pause")
        assert bin_.daemon.guard.homed and bin_.look(600) == 0, "one that has sorted rests as well"
        bin_.ask("resume")
        assert bin_.daemon.run(max_items=1) == 1


@pytest.mark.parametrize("mode", ["paused", "maintenance"])
def test_what_was_set_holds_after_a_restart(config: Config, mode: str) -> None:
    with running(config) as bin_:
        bin_.ask("set_mode", mode=mode)
        assert bin_.ask("set_threshold", min_probability=0.9) == {"min_probability": 0.9}
        bin_.ask("emptied", compartment="glass")
    with running(config) as bin_:
        state = bin_.daemon.state()
        assert (state.mode, state.min_probability) == (mode, 0.9)
        assert state.emptied["glass"].count == 0
        bin_.look(30)
        assert not bin_.daemon.guard.homed
        bin_.ask("resume")
        assert bin_.ask("set_threshold", min_probability=None) == {"min_probability": config.sorting.min_probability}
    with running(config) as bin_:
        assert bin_.daemon.state().mode == "auto"
        assert bin_.daemon.min_probability == config.sorting.min_probability


def test_a_threshold_of_one_sends_what_is_unsure_to_residual_which_can_be_emptied(config: Config) -> None:
    residual = config.sorting.residual
    with running(config, WORKER) as bin_:
        bin_.ask("set_threshold", min_probability=1.0)
        assert bin_.daemon.run(max_items=1) == 1
        (event,) = bin_.daemon.journal.newest(1)
        assert (event.decision.reason, event.decision.compartment) == ("UNCERTAIN", residual)
        assert bin_.daemon.state().min_probability == 1.0
        assert bin_.ask("emptied", compartment=residual) == {"count": 1}
        assert bin_.daemon.state().emptied[residual].count == 1


def test_jog_moves_only_a_bin_that_is_paused_and_armed(config: Config) -> None:
    with running(config) as bin_:
        bin_.look(60)
        with pytest.raises(CommandError, match="jog is for a bin that is paused"):
            bin_.ask("jog", compartment="glass")
        with pytest.raises(CommandError, match="arm is for a bin that is paused"):
            bin_.ask("arm")
        bin_.ask("pause")
        with pytest.raises(CommandError, match="not armed"):
            bin_.ask("jog", compartment="glass")
        bin_.ask("arm", for_s=10.0)
        bin_.look(3)
        bin_.ask("jog", compartment="glass")
        with pytest.raises(CommandError, match="there is no compartment 'attic'"):
            bin_.ask("jog", compartment="attic")
        bin_.daemon.clock.sleep(10.0)
        with pytest.raises(CommandError, match="not armed"):
            bin_.ask("jog", compartment="glass")
        bin_.ask("arm")
        bin_.ask("resume")
        bin_.ask("pause")
        with pytest.raises(CommandError, match="not armed"):
            bin_.ask("jog", compartment="glass")


def test_no_command_goes_round_the_guard(config: Config) -> None:
    with running(config) as bin_:
        bin_.look(60)
        bin_.ask("set_mode", mode="maintenance")
        with pytest.raises(CommandError, match="the bin is in maintenance"):
            bin_.ask("home")
        bin_.ask("pause")
        bin_.ask("arm")
        bin_.daemon.live.update(observation=None)  # nothing is known of the tray
        with pytest.raises(CommandError, match="a hand or motion is in the tray"):
            bin_.ask("jog", compartment="glass")


def test_a_mechanism_that_stalls_when_it_is_asked_to_move_is_a_fault_until_acknowledged(config: Config) -> None:
    with running(config) as bin_:
        bin_.look(20)
        bin_.ask("pause")
        bin_.ask("arm")
        bin_.hardware.fail(MechanismFault.STALL)
        with pytest.raises(CommandError, match="took longer"):
            bin_.ask("jog", compartment="glass")
        assert "stall" in bin_.codes()
        bin_.hardware.fail(None)
        bin_.ask("acknowledge")
        assert "stall" not in bin_.codes()
        bin_.look(20)
        bin_.ask("home")
        assert bin_.daemon.guard.homed


def test_emptied_is_for_a_compartment_that_there_is(config: Config) -> None:
    with running(config) as bin_, pytest.raises(CommandError, match="there is no compartment 'attic', only glass"):
        bin_.ask("emptied", compartment="attic")


def test_the_self_test_names_what_is_well_and_what_is_not(config: Config) -> None:
    with running(config, WORKER) as bin_:
        bin_.look(20)
        result = bin_.ask("self_test")
        steps = {step["name"]: step for step in result["steps"]}
        assert not result["passed"]
        assert [name for name, step in steps.items() if not step["ok"]] == ["broker", "faults"]
        assert "the golden logits are reproduced" in steps["engine"]["found"]
        assert "broker_unreachable" in steps["faults"]["found"]


def test_settings_that_cannot_be_kept_hold_all_the_same_and_the_answer_says_so(config: Config) -> None:
    with running(config) as bin_:
        (config.state_dir / "settings.json.part").mkdir()
        with pytest.raises(CommandError, match="it holds until the program ends, but not after"):
            bin_.ask("pause")
        assert bin_.daemon.state().mode == "paused"


def test_damaged_settings_are_told_and_set_aside(config: Config) -> None:
    (config.state_dir / "settings.json").write_text('{"mode": "fly"}')
    with running(config) as bin_:
        assert "settings_lost" in bin_.codes()
        assert bin_.daemon.state().mode == "auto"
    assert (config.state_dir / "settings.json.damaged").exists()
    with running(config) as bin_:
        assert "settings_lost" not in bin_.codes()


def test_who_asked_over_the_socket_is_written_down(config: Config) -> None:
    with running(config) as bin_:
        bin_.ask("pause")
        (row,) = bin_.registry.log.newest(5)
        assert (row["via"], row["who"], row["cmd"]) == ("socket", "the test", "pause")


def test_a_capture_is_the_tray_as_it_is_now_and_old_ones_go(config: Config) -> None:
    with running(config) as bin_:
        with pytest.raises(CommandError, match="no fresh frame"):
            bin_.ask("capture")
        bin_.look(3)
        taken = bin_.ask("capture")
        jpeg = Path(taken["path"]).read_bytes()
        assert len(jpeg) == taken["bytes"]
        assert decode(jpeg, name="capture").shape == (taken["height"], taken["width"], 3)
        assert Path(taken["path"]).parent.stat().st_mode & 0o077 == 0
        for _ in range(KEPT + 1):
            bin_.daemon.clock.sleep(0.001)
            bin_.ask("capture")
        assert len(list(Path(taken["path"]).parent.iterdir())) == KEPT
        bin_.daemon.clock.sleep(5.0)
        with pytest.raises(CommandError, match="no fresh frame"):
            bin_.ask("capture")


def test_every_command_of_the_contract_has_an_action(config: Config) -> None:
    with running(config) as bin_:
        assert set(bin_.registry.commands) == set(COMMANDS)
