"""A config is checked before anything moves; an error names file, line, field, what was found and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

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
