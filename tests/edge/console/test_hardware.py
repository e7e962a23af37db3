"""The hardware tab: words for what the bin feels, refusals told, the guided self-test, the wiring picture."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import pytest

from edge.config import load_config
from edge.console.hardware import Trial, guard_of, sensors_of, state_of
from edge.console.wiring import picture, wires
from edge.control import FillView, HardwareResult, SwitchView

from .conftest import SIM

CONFIGS = sorted(SIM.parent.glob("*.yaml"))


def felt(*, lid_open: bool = False, **changes: Any) -> HardwareResult:
    """A paused bin of two compartments with a lid switch."""
    reasons = ["the lid is open"] if lid_open else []
    lid = SwitchView(name="lid (pin 5)", role="lid", active=lid_open, unsteady=False)
    known: dict[str, Any] = {
        "mode": "paused",
        "phase": "waiting",
        "armed_s": 0.0,
        "homed": True,
        "latched": None,
        "homing": reasons,
        "forbidden": {"glass": reasons, "residual": reasons},
        "switches": [lid],
        "fill": {"glass": FillView(percent=40.0, full=False)},
        "lamp": False,
    }
    return HardwareResult(**(known | changes))


def test_the_rule_that_forbids_is_named_for_each_movement() -> None:
    said = guard_of(felt(lid_open=True))
    assert said.count("the lid is open") == 3
    assert guard_of(felt()).count("allowed") == 3


def test_every_sensor_is_told_in_words() -> None:
    assert ">closed<" in sensors_of(felt()) and "40%" in sensors_of(felt())
    assert ">open<" in sensors_of(felt(lid_open=True))
    loose = SwitchView(name="estop (pin 6)", role="estop", active=True, unsteady=True)
    assert "changes too often" in sensors_of(felt(switches=[loose]))
    assert "names none" in sensors_of(felt(switches=[], fill={}))


def test_the_time_that_is_left_to_jog_is_shown() -> None:
    assert "Not armed" in state_of(felt())
    assert "Armed: 42 s left" in state_of(felt(armed_s=42.3))
    assert "To be acknowledged: &lt;jam&gt;" in state_of(felt(latched="<jam>", homed=False))


def test_a_self_test_is_passed_when_every_switch_was_worked_and_every_compartment_jogged() -> None:
    trial = Trial()
    assert trial.shown("demo", felt()) == ""
    trial.begin([{"name": "camera", "ok": True, "found": "640 x 480"}])
    trial.saw(felt().switches)
    assert "3 steps open" in trial.shown("demo", felt())
    trial.saw(felt(lid_open=True).switches)
    assert "2 steps open" in trial.shown("demo", felt())
    trial.moved("glass")
    trial.moved("residual")
    assert "Passed" in trial.shown("demo", felt()) and "data-print" in trial.shown("demo", felt())


def test_a_self_test_with_a_failed_step_is_never_passed() -> None:
    trial = Trial()
    trial.begin([{"name": "camera", "ok": False, "found": "no frame since the start"}])
    trial.saw([])
    trial.moved("glass")
    trial.moved("residual")
    assert "1 step open" in trial.shown("demo", felt(switches=[]))


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_the_wiring_picture_names_everything_that_a_config_plugs_in(path: Path) -> None:
    config = load_config(path)
    shown = picture(config)
    assert wires(config)
    for wire in wires(config):
        assert wire.place in shown and escape(wire.how) in shown
    assert shown.count('class="used"') >= len({wire.at for wire in wires(config) if isinstance(wire.at, int)})
