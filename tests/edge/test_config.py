"""A config is checked before anything moves; an error names file, line, field, what was found and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from edge.config import Config, load_config
from edge.errors import ConfigError

SIM = Path(__file__).parents[2] / "configs/edge/sim.yaml"


def edited(tmp_path: Path, old: str, new: str) -> Path:
    """sim.yaml with one place changed."""
    text = SIM.read_text()
    assert old in text
    path = tmp_path / "bin.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize("path", sorted(SIM.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_that_ships_is_valid(path: Path) -> None:
    assert isinstance(load_config(path), Config)


def test_a_wrong_key_is_named_with_file_line_and_what_is_allowed(tmp_path: Path) -> None:
    path = edited(tmp_path, "  frames: 3", "  frmes: 3")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value) == (
        f"{path}:{line_of(path, 'frmes')}: classify.frmes: unknown key; "
        "allowed here: bundle, crop_margin, engine, frames, keys, "
        "open_timeout_s, selftest_hour, threads, timeout_s, unsigned"
    )


def test_a_wrong_key_at_the_top_is_named_too(tmp_path: Path) -> None:
    path = edited(tmp_path, "bin_id: demo", "bin_id: demo\nbinid: x")
    with pytest.raises(ConfigError, match=r"bin\.yaml:5: binid: unknown key; allowed here: actuator, bin_id, camera"):
        load_config(path)


def test_a_wrong_key_deep_inside_is_named_too(tmp_path: Path) -> None:
    path = edited(tmp_path, "glass: { turn_deg: 80 }", "glass: { turn: 80 }")
    with pytest.raises(ConfigError, match=r"actuator\.positions\.glass\.turn: unknown key; allowed here: turn_deg"):
        load_config(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bin_id: demo", "bin_id: Demo Bin", r":4: bin_id: .*pattern.*found 'Demo Bin'"),
        ("tilt_pin: 17", "tilt_pin: 99", r"actuator\.tilt_pin: .*less than or equal to 53 \(found 99\)"),
        ("turn_pin: 18", "turn_pin: 17", r"actuator: pins \[17\] are used twice"),
        ("    glass: glass", "    glass: bottles", r"sorting\.routes\.glass: no position .* 'bottles'; there are"),
        ("type: footage", "type: fotage", r"camera: .*'fotage'.*'opencv', .*'footage'"),
        ("pin_factory: mock", "pin_factory: lgpio", r"camera\.type: footage follows the mock pins"),
        ("into: { glass: 1.5 }", "into: { oil: 2 }", r"sorting\.costs\.into: \['oil'\] are not compartments"),
        ("  turn_pin: 18\n", "", r"actuator\.turn_pin: several compartments need"),
        ("state_dir: var/sim", "state_dri: var/sim", r"state_dir: missing; add it"),
        ("embedded_broker: true", "embedded_broker: true\n  host: 10.1.2.3", r"listens on 127\.0\.0\.1 only"),
        ("port: 1883", "port: [", r"not YAML"),
    ],
)
def test_bad_values_are_refused_by_name(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(edited(tmp_path, old, new))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = edited(tmp_path, "  frames: 3", "  frmes: 3")
    path.write_text(path.read_text().replace("tilt_pin: 17", "tilt_pin: 99"))
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"- a\n- b\n", "expected a mapping"), (b"\xff\xfe\x00", "not a text file")],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "bin.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_photographs_never_move_real_pins(tmp_path: Path) -> None:
    path = edited(tmp_path, "pin_factory: mock", "pin_factory: lgpio")
    path.write_text(
        path.read_text().replace("type: footage", "{type: opencv, source: 0} #").replace("camera:\n  {", "camera: {")
    )
    with pytest.raises(ConfigError, match="photographs are for a simulated bin"):
        load_config(path).with_photographs(tmp_path)


MECHANISMS = {
    "carousel": (
        "  type: carousel\n  pin_factory: mock\n  trapdoor_pin: 17\n  step_pin: 22\n  direction_pin: 23\n"
        "  home: { pin: 25 }\n  steps_per_turn: 1600\n  positions:\n"
        "    residual: { at_deg: 0 }\n    paper: { at_deg: 72 }\n    plastic: { at_deg: 144 }\n"
        "    metal: { at_deg: 216 }\n    glass: { at_deg: 288 }\n"
    ),
    "gates": (
        "  type: gates\n  pin_factory: mock\n  positions:\n"
        "    residual: { type: servo, pin: 17 }\n    paper: { type: servo, pin: { channel: 3 } }\n"
        "    plastic: { type: servo, pin: { channel: 4 } }\n    metal: { type: servo, pin: { channel: 5 } }\n"
        "    glass: { type: solenoid, pin: 22 }\n"
    ),
}


def with_mechanism(tmp_path: Path, name: str, old: str = "", new: str = "") -> Path:
    """sim.yaml with another mechanism, in which one place is changed."""
    before, _, rest = SIM.read_text().partition("actuator:\n")
    assert old in MECHANISMS[name]
    path = tmp_path / "bin.yaml"
    path.write_text(f"{before}actuator:\n{MECHANISMS[name].replace(old, new, 1)}\n{rest[rest.index('mqtt:') :]}")
    return path


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_mechanism_is_chosen_by_its_type(tmp_path: Path, name: str) -> None:
    assert load_config(with_mechanism(tmp_path, name)).actuator.type == name


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("carousel", "pin: 25", "pin: 22", r"actuator: pins \[22\] are used twice"),
        ("carousel", "at_deg: 72", "at_deg: 360", r":\d+: actuator\.positions\.paper\.at_deg: .*less than 360"),
        ("carousel", "steps_per_turn: 1600", "steps_per_turn: 16000", r"actuator\.move_timeout_s: 20 s are too few"),
        ("carousel", "pin: 25", "pin: 25, width_deg: 6", r"actuator\.home\.tolerance_deg: twice 3 must be less"),
        ("carousel", "step_pin", "stepp_pin", r"actuator\.stepp_pin: unknown key; .*steps_per_turn"),
        ("gates", "channel: 4", "channel: 3", r"channel 3 of board 0x40 is used twice"),
        ("gates", "channel: 3", "channel: 16", r"actuator\.positions\.paper\.pin\.channel: .*equal to 15"),
        ("gates", "pin: 17", "pin: 17, open_deg: 95", r"actuator\.positions\.residual\.open_deg: .*equal to 90"),
        (
            "gates",
            "positions",
            "limits_deg: [-10, 60]\n  positions",
            r"actuator\.positions\.residual\.open_deg: 70 deg",
        ),
        ("gates", "pin: 22", "pin: 22, max_on_s_per_min: 0.5", r"actuator\.hold_open_s: 0\.6 s are more than"),
        ("gates", "type: solenoid", "type: magnet", r"actuator\.positions\.glass: .*'servo', 'solenoid'"),
        (
            "gates",
            "pin: 17",
            "pin: 17, opn_deg: 3",
            r"opn_deg: unknown key; allowed here: closed_deg, open_deg, pin, type",
        ),
    ],
)
def test_a_mechanism_that_could_not_work_is_refused_by_name(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(with_mechanism(tmp_path, name, old, new))


MECHANICS = SIM.parents[2] / "docs" / "mechanics.md"


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", MECHANICS.read_text(encoding="utf-8"), re.DOTALL))
def test_what_docs_mechanics_says_to_write_is_valid(tmp_path: Path, block: str) -> None:
    document = yaml.safe_load(SIM.read_text())
    document["camera"] = {"type": "opencv", "source": 0}
    document.update(yaml.safe_load(block))
    path = tmp_path / "bin.yaml"
    path.write_text(yaml.safe_dump(document))
    assert isinstance(load_config(path), Config)


def test_a_machine_without_pins_has_nothing_on_pins(tmp_path: Path) -> None:
    text = (SIM.parent / "jetson.yaml").read_text()
    path = tmp_path / "bin.yaml"
    path.write_text(text + "\nswitches: [{ role: lid, pin: 5 }]\n")
    with pytest.raises(ConfigError, match=r"actuator\.pin_factory: none gives no pins, and \[5\] are used"):
        load_config(path)
