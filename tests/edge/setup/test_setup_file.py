"""What is set up goes over the config file, as valid as it, and can be undone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.__main__ import app
from edge.config import Config, load_config
from edge.config.commented import commented
from edge.config.setup import SetMqtt, SetPresence, Setup, differences, setup_of, with_setup
from edge.errors import ConfigError, JournalError
from edge.readiness import check_before_start, config_in_use
from edge.setup.file import SetupFile
from edge.update.site import current_bundle

CONFIGS = sorted((Path(__file__).parents[3] / "configs/edge").glob("*.yaml"))
SIM = load_config(next(path for path in CONFIGS if path.name == "sim.yaml"))
REGION = (0.1, 0.2, 0.9, 0.8)


def other(**sorting: object) -> Setup:
    """Another tray, and something else about the sorting."""
    changed = SIM.sorting.model_copy(update=sorting)
    return Setup(presence=SetPresence(region=REGION), sorting=changed)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_with_comments_reads_back_as_the_same_config(path: Path) -> None:
    config = load_config(path)
    text = commented(config, "This bin.")
    assert Config.model_validate(yaml.safe_load(text)) == config
    assert text.startswith("# This bin.\n")
    assert "  # label → compartment, for every label of the bundle\n  routes:\n" in text


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_setup_that_says_what_the_config_says_changes_nothing(path: Path) -> None:
    config = load_config(path)
    assert with_setup(config, setup_of(config)).model_dump() == config.model_dump()
    assert differences(config, with_setup(config, setup_of(config))) == {}


side = st.tuples(st.integers(0, 499), st.integers(500, 1000)).map(lambda ends: (ends[0] / 1000, ends[1] / 1000))


@settings(max_examples=30)
@given(
    region=st.tuples(side, side).map(lambda sides: (sides[0][0], sides[1][0], sides[0][1], sides[1][1])),
    host=st.text(min_size=1, max_size=12),
    least=st.floats(0, 1, allow_nan=False),
)
def test_whatever_is_set_up_is_read_as_it_was_written(region: tuple[float, ...], host: str, least: float) -> None:
    setup = Setup(
        presence=SetPresence(region=region),
        sorting=SIM.sorting.model_copy(update={"min_probability": least}),
        mqtt=SetMqtt(host=host, port=1883),
    )
    read = Setup.model_validate(yaml.safe_load(commented(setup, "# a heading: 1")))
    assert read == setup


def test_what_is_set_up_holds_over_the_config_and_the_rest_of_the_config_stays() -> None:
    used = with_setup(SIM, other(min_probability=0.8))
    assert (used.presence.region, used.sorting.min_probability) == (REGION, 0.8)
    assert used.presence.learn_frames == SIM.presence.learn_frames
    assert used.actuator == SIM.actuator
    assert set(differences(SIM, used)) == {"presence", "sorting"}


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ({"sorting": {"routes": {"glass": "attic"}, "residual": "residual"}}, "sorting.routes.glass: no position"),
        ({"actuator": {"positions": {"residual": {"at_deg": 3}}}}, "turn_deg: missing"),
        ({"actuator": {"positions": {"residual": {"turn_deg": 0}}}}, "no position in actuator.positions"),
        ({"mqtt": {"host": "broker", "port": 1, "embedded_broker": True}}, "listens on 127.0.0.1 only"),
    ],
)
def test_what_does_not_go_with_the_config_is_refused_by_the_field(setup: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        with_setup(SIM, Setup.model_validate(setup))


def test_a_tray_without_area_is_refused_when_the_config_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bin.yaml"
    path.write_text((CONFIGS[-1].read_text()) + "\npresence: { region: [0.6, 0, 0.4, 1] }\n")
    with pytest.raises(ConfigError, match=r"presence\.region: x0 0\.6 is not left of x1 0\.4"):
        load_config(path)


def test_undo_brings_back_what_was_and_a_second_one_takes_that_back(tmp_path: Path) -> None:
    file = SetupFile(tmp_path)
    assert file.read() == Setup()
    assert not file.undoable
    file.write(other(), "today", "the test")
    assert "Written today for the test." in file.path.read_text()
    file.undo()
    assert file.read() == Setup()
    file.undo()
    assert file.read() == other()


def test_a_disk_that_takes_nothing_is_told_and_what_was_set_up_stays(tmp_path: Path) -> None:
    file = SetupFile(tmp_path)
    file.write(other(), "today", "the test")
    (tmp_path / "setup.yaml.part").mkdir()
    with pytest.raises(JournalError, match=r"setup\.yaml"):
        file.write(Setup(), "tomorrow", "the test")
    assert file.read() == other()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sorting: [", "not YAML"),
        ("camera: {type: footage}", "setup.yaml:1: camera: unknown key"),
        ("presence: {region: [1, 0, 0, 1]}", "is not left of x1"),
        ("sorting: {routes: {glass: glass}, residual: residual}", "without a route"),
        ("mqtt: {host: broker, port: 1883, username: bin, password_file: /gone}", "password_file: /gone"),
    ],
)
def test_a_setup_that_does_not_fit_any_more_leaves_the_config_file_alone_in_force(
    tmp_path: Path, text: str, said: str
) -> None:
    config = SIM.model_copy(update={"state_dir": tmp_path})
    (tmp_path / "setup.yaml").write_text(text)
    bundle, used = check_before_start(config)
    assert used.config == config
    assert used.unfit is not None
    assert said in used.unfit
    assert used == config_in_use(config, bundle)


def test_a_bin_uses_what_is_set_up(tmp_path: Path) -> None:
    config = SIM.model_copy(update={"state_dir": tmp_path})
    SetupFile(tmp_path).write(other(min_probability=0.7), "today", "the test")
    used = config_in_use(config, current_bundle(config))
    assert used.unfit is None
    assert (used.config.presence.region, used.config.sorting.min_probability) == (REGION, 0.7)


def test_check_says_what_is_set_up_and_passes_without_what_does_not_fit(tmp_path: Path) -> None:
    config = tmp_path / "bin.yaml"
    config.write_text(CONFIGS[-1].read_text().replace("state_dir: var/sim", f"state_dir: {tmp_path}"))
    checked = ["check", "--before-start", "--config", str(config)]
    SetupFile(tmp_path).write(other(min_probability=0.8), "today", "the test")
    assert "setup.yaml goes before it: presence, sorting" in CliRunner().invoke(app, checked).stdout
    (tmp_path / "setup.yaml").write_text("presence: {region: [0.9, 0.2, 0.1, 0.8]}")
    told = CliRunner().invoke(app, checked)
    assert told.exit_code == 0
    assert "is not left of x1 0.1; order is x0, y0, x1, y1; the config file alone holds" in told.stderr
