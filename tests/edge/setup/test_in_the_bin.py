"""A whole simulated bin, with what was set up."""

from __future__ import annotations

from edge.config import Config
from edge.config.setup import SetPresence, Setup
from edge.setup.file import SetupFile
from tests.edge.commands.test_actions import config, running

__all__ = ["config"]


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
