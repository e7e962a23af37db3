"""`python -m edge safe` and `check --before-start`: what systemd runs after the daemon, and before it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from edge import build
from edge.clock import ManualClock
from edge.config import load_config
from tests.e2e.daemons import SIM, RunningDaemon, edge, sim_config


def test_the_mechanism_is_left_alone_while_the_daemon_runs_and_put_neutral_after_it_was_killed(tmp_path: Path) -> None:
    config = sim_config(tmp_path)
    with RunningDaemon(config) as daemon:
        refused = edge("safe", "--config", config)
        assert refused.returncode == 9 and "the daemon runs" in refused.stderr
        daemon.end(signal.SIGKILL)
    done = edge("safe", "--config", config)
    assert (done.returncode, done.stdout) == (0, "flap  neutral, its pins let go\n"), done.stderr


def test_neutral_is_a_closed_flap_without_pulses(monkeypatch: pytest.MonkeyPatch) -> None:
    config, tilts = load_config(SIM), []
    genuine = build.open_pin_factory

    def opened(name: str) -> Any:
        factory = genuine(name)
        tilts.append(factory.pin(config.actuator.tilt_pin))
        return factory

    monkeypatch.setattr(build, "open_pin_factory", opened)
    build.put_neutral(config, ManualClock())
    (tilt,) = tilts
    assert tilt.frequency is None, "no pulses any more"
    assert [state.state for state in tilt.states if state.state > 0][-1] == pytest.approx(0.075), "1.5 of 20 ms: closed"


def test_the_check_before_a_start_needs_no_broker(tmp_path: Path) -> None:
    config = sim_config(tmp_path, mqtt={"embedded_broker": False})
    done = edge("check", "--before-start", "--config", config)
    assert done.returncode == 0, done.stderr
    assert "files intact" in done.stdout and "state is writable" in done.stdout
    assert edge("check", "--config", config).returncode == 6, "nobody listens there"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"classify": {"bundle": "models/nowhere"}}, 4, "models/nowhere"),
        ({"sorting": {"routes": {"glass": "glass"}}}, 3, "routes"),
        ({"state_dir": "/proc/nowhere"}, 8, "/proc/nowhere"),
        ({"mqtt": {"username": "bin", "password_file": "/nowhere/password"}}, 3, "mqtt.password_file"),
    ],
)
def test_what_would_stop_the_start_is_found_before_it(
    tmp_path: Path, change: dict[str, Any], code: int, said: str
) -> None:
    done = edge("check", "--before-start", "--config", sim_config(tmp_path, **change))
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
