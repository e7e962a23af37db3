"""A restart that a technician asks for: only where systemd starts the bin again, only at rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.config import Config
from edge.engines.process import WORKER
from edge.errors import CommandError, ConfigError, SmartbinError, UpdateError
from edge.restart import ANSWER_S, PATIENCE_S, Restart
from edge.setup.messages import SetupResult
from tests.edge.commands.test_actions import Bin, config, running

__all__ = ["config"]


def nothing() -> None:
    """Nothing is wrong."""


def failing(error: SmartbinError) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def service(bin_: Bin, *, check: Callable[[], None] = nothing, check_free: Callable[[], None] = nothing) -> Restart:
    """The bin as a service of systemd."""
    restart = Restart(bin_.daemon, service=True, check=check, check_free=check_free)
    bin_.daemon.add_chore(restart)
    return restart


def test_a_bin_that_was_started_by_hand_says_so_and_runs_on(config: Config) -> None:
    with running(config) as bin_:
        by_hand = SetupResult.model_validate(bin_.commands["setup"]({})).by_hand
        assert by_hand is not None and "nothing would start it again" in by_hand
        with pytest.raises(CommandError, match="started by hand"):
            bin_.commands["restart"]({})
        (row,) = bin_.registry.log.newest(1)
        assert row["cmd"] == "restart", "who asked is written down, also when it is refused"
        assert not bin_.daemon.restarting


def test_an_item_on_its_way_is_dropped_first_and_the_mechanism_is_neutral_at_the_end(config: Config) -> None:
    with running(config, WORKER) as bin_:
        restart, tell_phase, phases = service(bin_), bin_.daemon.live.on_phase, list[str]()

        def told() -> None:
            phases.append(bin_.daemon.live.snapshot().phase)
            if phases[-1] == "sorting":
                restart.ask()
            tell_phase()

        bin_.daemon.live.on_phase = told
        assert bin_.daemon.run() == 1
        assert bin_.daemon.restarting and "sorting" in phases
        (event,) = bin_.daemon.journal.newest(1)
        assert event.actuation.outcome == "CONFIRMED"
        assert bin_.hardware.mechanism.open_over() is None
        assert not bin_.daemon.guard.moving


def test_whoever_asked_has_the_answer_before_it_ends(config: Config) -> None:
    with running(config) as bin_:
        restart = service(bin_)
        restart.ask()
        restart.tend()
        assert not bin_.daemon.restarting
        bin_.daemon.clock.sleep(ANSWER_S)
        restart.tend()
        assert bin_.daemon.restarting


def test_no_movement_is_cut_short(config: Config) -> None:
    with running(config) as bin_:
        bin_.ask("pause")
        bin_.look(60)
        restart, during = service(bin_), list[bool]()
        restart.ask()
        bin_.look(round(2 * ANSWER_S * config.loop_hz))

        def watched() -> None:
            restart.tend()
            during.append(bin_.daemon.restarting)

        bin_.daemon.guard.home(watched)
        assert during and not any(during)
        restart.tend()
        assert bin_.daemon.restarting


def test_what_is_not_done_with_in_its_time_ends_the_wish_and_not_the_bin(config: Config) -> None:
    with running(config) as bin_:
        restart = service(bin_)
        bin_.daemon.live.update(phase="looking")
        restart.ask()
        bin_.daemon.clock.sleep(PATIENCE_S)
        restart.tend()
        bin_.daemon.clock.sleep(1.0)
        restart.tend()
        bin_.daemon.live.update(phase="waiting")
        restart.tend()
        assert not bin_.daemon.restarting


def test_a_restart_acknowledges_nothing(config: Config) -> None:
    with running(config) as bin_:
        restart = service(bin_)
        restart.ask()
        bin_.daemon.clock.sleep(ANSWER_S)
        bin_.daemon.guard.confirmation_missed("the tray was not seen empty")
        restart.tend()
        with pytest.raises(CommandError, match="acknowledge first: the tray was not seen empty"):
            restart.ask()
        restart.tend()
        assert not bin_.daemon.restarting


@pytest.mark.parametrize("error", [ConfigError("bin.yaml: no such key"), UpdateError("an update is under way")])
def test_what_would_not_come_back_or_is_under_way_ends_nothing(config: Config, error: SmartbinError) -> None:
    with running(config) as bin_:
        checks = {"check_free" if isinstance(error, UpdateError) else "check": failing(error)}
        restart = service(bin_, **checks)
        with pytest.raises(type(error), match=str(error)):
            restart.ask()
        bin_.daemon.clock.sleep(ANSWER_S)
        restart.tend()
        assert not bin_.daemon.restarting
