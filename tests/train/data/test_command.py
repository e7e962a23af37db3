from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from edge.errors import ConfigError
from tests.train.data.pictures import picture, save
from train.commands.data import data
from train.data import prepare

app = typer.Typer()
app.command()(data)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of seven, and groups that say all are alone."""
    root = tmp_path / "mine"
    for i in range(14):
        label = ("bottle", "can")[i % 2]
        save(root / label / f"{i}.jpg", picture(i))
    (tmp_path / "mine_groups.csv").write_text("file,class,group,group_size\n", encoding="utf-8")
    return root


def test_a_folder_is_looked_at_in_place(folder: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = run(folder, "--report", tmp_path / "report", "--split", "grouped")
    assert result.exit_code == 0
    assert "photographs" in result.output and "grouped split: 10 train, 2 validation, 2 test; 0 test" in result.output
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "audit.json",
        "classes.png",
        "index.html",
        "sizes.png",
        "split.json",
    }
    assert sorted(path for path in tmp_path.rglob("*") if "report" not in path.parts) == before


def test_a_corrupt_file_is_told_of_and_left_out_of_the_split(folder: Path, tmp_path: Path) -> None:
    (folder / "can" / "broken.jpg").write_bytes(b"no picture")
    result = run(folder, "--report", tmp_path / "report", "--split", "grouped")
    assert result.exit_code == 0 and "can/broken.jpg: not a picture" in " ".join(result.output.split())
    parts = json.loads((tmp_path / "report" / "split.json").read_text(encoding="utf-8"))
    named = [name for part in parts.values() for name in part]
    assert "can/broken.jpg" not in named and len(named) == 14


def test_sources_are_joined_by_the_map_and_the_result_is_looked_at(
    folder: Path, two_classes: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.yaml"
    labels.write_text("rename: {glass: glass, metal: metal, bottle: glass, can: metal}\n", encoding="utf-8")
    out = tmp_path / "joined"
    options = ("--labels", labels, "--out", out, "--groups", "none", "--licence", "MIT", "--licence", "CC0")
    result = run(folder, two_classes, *options, "--report", tmp_path / "report")
    assert result.exit_code == 0
    audited = json.loads((tmp_path / "report" / "audit.json").read_text(encoding="utf-8"))
    assert audited["classes"] == {"glass": 11, "metal": 11} and len(audited["copies"]) == 8
    files = json.loads((out / "provenance.json").read_text(encoding="utf-8"))["files"]
    assert {files["glass/mine-0.jpg"]["licence"], files["glass/two-glass0.jpg"]["licence"]} == {"MIT", "CC0"}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("mine", "two"), "say where with --out"),
        (("mine", "--labels", "labels.yaml"), "say where with --out"),
        (("mine", "--licence", "a", "--licence", "b"), "found 2 --licence for 1 SOURCES"),
        (("trashnet", "--labels", "labels.yaml"), "first download"),
        (("nowhere",), "nowhere: no such folder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    folder: Path, two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=fault):
        run(*arguments)


@pytest.mark.parametrize("arguments", [(), ("trashnet",)])
def test_without_a_source_trashnet_is_downloaded_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[Path] = []

    def download(out: Path) -> None:
        asked.append(out)
        out.parent.mkdir()
        folder.rename(out)

    monkeypatch.setattr(prepare, "download_trashnet", download)
    assert run(*arguments, "--groups", "none").exit_code == 0
    again = run(*arguments, "--groups", "none")
    assert asked == [Path("data/trashnet")] and "not downloaded again" in again.output
    assert (tmp_path / "runs" / "data-report" / "index.html").is_file()
