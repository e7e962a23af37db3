"""The project keeps what it says of itself: README, versions, requirements, what may be in the repository."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

import edge
from edge import fault_table
from edge.dashboards.exports import EXPORTS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

_RUN = "tests/e2e/test_run.py::"
_OWN = "tests/train/test_own_photographs.py::test_six_times_thirty_photographs_train_report_and_export"
_SIGN = "tests/export/test_sign.py::test_a_pair_is_made_a_bundle_signed_and_a_bin_uses_it"
RUN_BY: dict[str, str] = {
    "make run": ".ci/run: make run",
    "make run IMAGES=path/to/photos": _RUN + "test_photographs_of_ones_own_are_sorted_too",
    "make test": ".ci/run: make test",
    "mosquitto_sub -h 127.0.0.1 -t 'smartbin/#' -v": _RUN
    + "test_eight_items_are_sorted_reported_and_seen_by_mosquitto_sub",
    "python -m edge classify path/to/photo.jpg": "tests/test_imports.py::test_a_photograph_is_classified",
    "python -m edge classify --json path/to/photos": (
        "tests/test_imports.py::test_a_folder_of_photographs_is_classified_as_json"
    ),
    "python -m edge run --config configs/edge/sim.yaml --max-items 8 --report out.jsonl": (
        _RUN + "test_eight_items_are_sorted_reported_and_seen_by_mosquitto_sub"
    ),
    "python -m edge tune": (
        "tests/e2e/test_engines.py::test_tuning_measures_what_is_there_and_the_bin_then_takes_the_fastest"
    ),
    "python -m export keys new my-site --out keys": _SIGN,
    "python -m export sign models/mine --key keys/my-site.pem": _SIGN,
    "cp keys/my-site.pub.pem configs/edge/keys": _SIGN,
    "python -m edge ctl status": "tests/e2e/test_ctl.py::test_status_tells_phase_faults_counts_and_broker",
    "python -m edge ctl acknowledge": (
        "tests/e2e/test_ctl.py::test_a_jammed_bin_waits_for_an_acknowledgement_and_says_which"
    ),
    "python -m export runs/first/best.pt --out models/resnet50-trashnet": (
        "tests/export/test_export.py::test_command_prints_both_precisions_side_by_side"
    ),
    "python -m train fit --data path/to/photos --out runs/mine": _OWN,
    "python -m train report runs/mine --data path/to/photos": _OWN,
    "python -m export runs/mine/best.pt --data path/to/photos --out models/mine": _OWN,
    "python -m train robustness models/resnet50-trashnet": (
        "tests/train/robustness/test_measure.py::test_the_command_measures_writes_and_prints"
    ),
    "python -m train evaluate models/resnet50-trashnet": (
        "tests/test_shipped_model.py::test_evaluate_reproduces_the_manifests_figure_on_the_reference_test_photographs"
    ),
    "python -m train fit --config configs/train/resnet50.yaml --out runs/first": (
        "tests/train/test_main.py::test_fit_runs_from_the_command_line_and_resuming_a_finished_one_is_harmless"
    ),
}
"""Every command line in README's ```sh blocks, and what runs it: `FILE::test` or `FILE: text that stands in it`."""

LIMITS_MIB = {"edge/sim/footage/": 4.0, "models/": 26.0}
"""The largest file allowed under a folder; elsewhere 1 MiB."""


def readme_commands() -> list[str]:
    """The command lines of README's ```sh blocks, without comments and line continuations."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    commands = [shlex.join(shlex.split(line, comments=True)) for line in lines]
    return [command for command in commands if command and not command.startswith(". ")]  # . activates an environment


def tracked_files() -> list[Path]:
    """What is, or would be, in the repository."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return [path for name in LIMITS_MIB for path in (ROOT / name).rglob("*") if path.is_file()]
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def pyproject(key: str) -> str:
    """A string of pyproject.toml's [project] table. (Python 3.10 has no TOML reader.)"""
    found = re.search(rf'^{key} = "([^"]+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, key
    return found[1]


def test_readme_opens_with_the_two_commands() -> None:
    top = "\n".join(README.read_text(encoding="utf-8").splitlines()[:20])
    assert "make run" in top
    assert "make test" in top


def test_every_command_of_the_readme_is_run_by_something() -> None:
    commands = set(readme_commands())
    assert commands, "README.md has no ```sh blocks"
    assert commands - set(RUN_BY) == set(), "say in RUN_BY what runs them"
    assert set(RUN_BY) - commands == set(), "README.md no longer shows them"


@pytest.mark.parametrize("place", sorted(set(RUN_BY.values())))
def test_what_runs_a_command_of_the_readme_exists(place: str) -> None:
    file, test, name = place.partition("::")
    if not test:
        file, _, name = place.partition(": ")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert (f"def {name}(" if test else name) in text, place


@pytest.mark.parametrize("command", RUN_BY)
def test_targets_commands_and_options_in_the_readme_exist(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        targets = {word for word in words[1:] if "=" not in word}
        assert targets <= make_targets(), f"Makefile has {sorted(make_targets())}"
    elif words[:2] == ["python", "-m"] and words[2] in ("edge", "export", "train"):
        known = typer.main.get_command(import_module(f"{words[2]}.__main__").app)
        rest = words[3:]
        while hasattr(known, "commands"):
            if words[2] == "export" and rest[0] not in known.commands:
                rest = ["pack", *rest]  # python -m export CHECKPOINT packs it
            assert rest[0] in known.commands, f"python -m {words[2]} has {sorted(known.commands)}"
            known, rest = known.commands[rest[0]], rest[1:]
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert options <= {option for param in known.params for option in param.opts}


def test_versions_agree() -> None:
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert pyproject("version") == newest[1] == edge.__version__


def test_the_smartbin_command_is_there() -> None:
    module, _, name = pyproject("smartbin").partition(":")
    assert callable(getattr(import_module(module), name))


def test_no_file_is_larger_than_its_folder_allows() -> None:
    too_large = []
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        limit_mib = next((limit for folder, limit in LIMITS_MIB.items() if name.startswith(folder)), 1.0)
        if path.stat().st_size > limit_mib * 2**20:
            too_large.append(f"{name}: {path.stat().st_size / 2**20:.1f} MiB, allowed {limit_mib}")
    assert too_large == []


def test_torch_is_not_among_what_a_bin_needs() -> None:
    lines = (ROOT / "requirements-edge.txt").read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[^\w-]", line)[0].lower() for line in lines if line and not line.startswith("#")}
    assert names & {"torch", "torchvision", "onnx", "onnxscript", "matplotlib", "bpy"} == set()
    assert "onnxruntime" in names


def test_every_import_of_the_edge_is_among_its_requirements() -> None:
    """What an environment holds by way of another package may be gone with that package's next version."""
    distributions = {"cv2": "opencv-python-headless", "PIL": "pillow", "paho": "paho-mqtt", "yaml": "PyYAML"}
    asked = (ROOT / "requirements-edge.txt").read_text(encoding="utf-8")
    missing = set()
    # A driver may need a library of its own: it says so by name where it is absent.
    engines = {"cuda", "executorch", "openvino", "tensorrt"}
    optional = {("engines", name) for name in engines} | {("camera", "picamera2")}
    for path in (ROOT / "edge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"edge"}:
                if (path.parent.name, top) in optional:
                    continue
                if not re.search(rf"^{re.escape(distributions.get(top, top))}\b", asked, re.MULTILINE):
                    missing.add(f"{path.relative_to(ROOT)}: {top}")
    assert missing == set()


def test_a_run_that_may_not_skip_fails_where_it_would(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.skip(reason='said by a mark')\n"
        "def test_mark(): pass\n"
        "def test_body(): pytest.skip('said inside')\n"
        "@pytest.mark.xfail(reason='known')\n"
        "def test_known(): raise ValueError\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    closing = {}
    for no_skip in ("", "1"):
        env = {**os.environ, "PYTHONPATH": str(ROOT), "SMARTBIN_NO_SKIP": no_skip}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        closing[done.returncode] = done.stdout.splitlines()[-1]
    assert "2 skipped, 1 xfailed" in closing[0]
    assert "1 failed, 1 xfailed, 1 error" in closing[1]


def test_the_documented_faults_are_those_of_the_table() -> None:
    text = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    assert fault_table.markdown() in text, "paste what `python -m edge.fault_table` prints into docs/faults.md"
    assert len(fault_table.BY_CODE) == len(fault_table.KINDS), "a code stands twice"


def test_every_fault_that_the_edge_reports_is_in_the_table() -> None:
    """`Faults.report` refuses another; this finds it before it happens."""
    unknown, reported = set(), set()
    for path in (ROOT / "edge").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        reported |= {code for code in fault_table.BY_CODE if f'"{code}"' in text and path.name != "fault_table.py"}
        for code in re.findall(r"faults\.(?:report|clear)\(\s*\"(\w+)\"", text):
            if code not in fault_table.BY_CODE:
                unknown.add(f"{path.relative_to(ROOT)}: {code}")
    assert unknown == set(), "add them to edge/fault_table.py and docs/faults.md"
    assert fault_table.BY_CODE.keys() - reported == set(), "nothing reports them"


def test_the_dashboards_that_ship_are_those_that_export_makes() -> None:
    for name, make in EXPORTS.values():
        shipped = (ROOT / "configs/dashboards" / name).read_text(encoding="utf-8")
        assert make() == shipped, "run python -m edge mqtt export --for all --out configs/dashboards"


def test_what_the_page_is_made_of_goes_into_an_installed_package() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (listed,) = re.findall(r'^edge = (\["py\.typed".*\])$', project, re.MULTILINE)
    patterns = ast.literal_eval(listed)
    packed = {path for pattern in patterns for path in (ROOT / "edge").glob(pattern)}
    page = {path for kind in ("css", "js", "html") for path in (ROOT / "edge").rglob(f"*.{kind}")}
    assert page - packed == set()
