"""The units, what they permit, and how they are installed. Nothing here touches this machine's own systemd."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.config import load_config
from edge.restart import EXIT_CODE

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "systemd"
LIMITS = {"smartbin.service": 2.0, "smartbin-console.service": 1.5}
INSTALLED = {
    "/etc/systemd/system/smartbin.service",
    "/etc/systemd/system/smartbin-console.service",
    "/etc/systemd/journald.conf.d/smartbin.conf",
    "/etc/udev/rules.d/60-smartbin.rules",
    "/etc/smartbin/bin.yaml",
    "/usr/lib/sysusers.d/smartbin.conf",
    "/usr/lib/tmpfiles.d/smartbin.conf",
    "/opt/smartbin/requirements-edge.txt",
}


def analyze(*arguments: str | Path) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("the systemd-analyze program is not installed (Debian package systemd)")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(UNITS / name), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def files(root: Path) -> set[str]:
    return {f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder into which the bin was installed."""
    done = script("install.sh", "--root", tmp_path / "image")
    assert done.returncode == 0, done.stderr
    return tmp_path / "image"


@pytest.mark.needs_systemd
@pytest.mark.parametrize("unit", LIMITS)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: str, tmp_path: Path) -> None:
    # verify asks whether programs exist: these do, and nothing else is changed.
    text = (UNITS / unit).read_text().replace("/opt/smartbin/.venv/bin/python", sys.executable)
    (tmp_path / unit).write_text(text.replace("file:/opt/smartbin", f"file:{ROOT}"))
    assert analyze("verify", "--recursive-errors=no", tmp_path / unit) == ""


@pytest.mark.needs_systemd
@pytest.mark.parametrize("unit", LIMITS)
def test_a_unit_is_exposed_no_more_than_it_must_be(unit: str) -> None:
    said = analyze("security", "--offline=true", UNITS / unit)
    found = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= LIMITS[unit]


def test_what_is_installed_is_a_config_that_loads_and_units_that_name_what_is_there(image: Path) -> None:
    assert files(image) >= INSTALLED
    config = load_config(image / "etc/smartbin/bin.yaml")
    assert config.state_dir == Path("/var/lib/smartbin")
    assert config.control_socket == Path("/run/smartbin/control.sock")
    assert config.control.group == "smartbin-control"
    for path in (config.classify.bundle, config.classify.keys):
        assert (image / "opt/smartbin" / path).exists(), "paths in the config are relative to /opt/smartbin"
    for unit in LIMITS:
        for words in re.findall(r"^Exec\w+=(.*)$", (image / "etc/systemd/system" / unit).read_text(), re.MULTILINE):
            program, m, module, *_ = shlex.split(words)
            assert (program, m) == ("/opt/smartbin/.venv/bin/python", "-m")
            assert (image / "opt/smartbin" / module.replace(".", "/") / "__main__.py").is_file()


@pytest.mark.parametrize(
    ("unit", "command"),
    [
        ("smartbin.service", "check --before-start"),
        ("smartbin.service", "safe"),
        ("smartbin.service", "run"),
        ("smartbin-console.service", "console"),
    ],
)
def test_the_commands_of_the_units_are_commands_of_the_program(unit: str, command: str) -> None:
    assert f"python -m edge {command} --config /etc/smartbin/bin.yaml" in (UNITS / unit).read_text()
    name = command.split()[0]
    done = subprocess.run([sys.executable, "-m", "edge", name, "--help"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0


def test_a_restart_that_was_asked_for_is_one_that_systemd_makes() -> None:
    unit = (UNITS / "smartbin.service").read_text()
    assert re.search(r"^Restart=always$", unit, re.MULTILINE)
    [prevented] = re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)
    assert str(EXIT_CODE) not in prevented.split()
    assert re.search(r"^Type=notify$", unit, re.MULTILINE), "by which the daemon knows that it is a service"


def test_installing_again_updates_the_program_and_keeps_the_config(image: Path) -> None:
    config, stale = image / "etc/smartbin/bin.yaml", image / "opt/smartbin/edge/gone_in_this_version.py"
    config.write_text("bin_id: mine\n")
    stale.touch()
    before = files(image)
    done = script("install.sh", "--root", image)
    assert done.returncode == 0 and "bin.yaml is kept" in done.stdout
    assert config.read_text() == "bin_id: mine\n"
    assert before - files(image) == {"/opt/smartbin/edge/gone_in_this_version.py"}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    done = script("install.sh", "--dry-run")
    assert done.returncode == 0, done.stderr
    for line in ("systemd-sysusers smartbin.conf", "systemctl enable smartbin.service", "python3 -m venv"):
        assert f"+ {line}" in done.stdout
    done = script("install.sh", "--dry-run", "--root", tmp_path / "image")
    assert done.returncode == 0 and not (tmp_path / "image").exists()


def test_a_removed_bin_leaves_its_config_and_a_purged_one_nothing(image: Path) -> None:
    done = script("uninstall.sh", "--root", image)
    assert done.returncode == 0, done.stderr
    assert files(image) == {"/etc/smartbin/bin.yaml"}
    assert script("uninstall.sh", "--root", image, "--purge").returncode == 0
    assert files(image) == set()
    assert script("uninstall.sh", "--root", image, "--purge").returncode == 0, "removing twice is harmless"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["--nonsense"], 2, "unknown option --nonsense"), (["--config", "/nowhere.yaml"], 1, "no such file")],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], code: int, said: str) -> None:
    done = script("install.sh", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True)
