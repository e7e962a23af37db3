"""What people corrected at a bin becomes photographs to train with."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from edge.bundle.preprocess import read_picture
from edge.errors import ConfigError
from train import __main__ as command
from train.ingest import PROVENANCE, ingest

BOX = (40, 30, 200, 190)


def picture(seed: int) -> bytes:
    """A tray with something of its own on it."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    tray = cv2.resize(rough, (320, 240), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", tray)[1].tobytes())


def export(path: Path, *items: tuple[int, str, int], box: tuple[int, int, int, int] = BOX) -> Path:
    """Items: number of the event, label, which picture."""
    with zipfile.ZipFile(path, "w") as archive:
        lines = []
        for number, label, seed in items:
            file = f"{label}/{UUID(int=number)}.jpg"
            archive.writestr(file, picture(seed))
            event = {"event_id": str(UUID(int=number)), "seq": number}
            said = {"label": label, "by": "console", "at": "2026-01-01T00:00:00Z"}
            lines.append(json.dumps({"file": file, "event": event, "box": box, "correction": said}))
        archive.writestr(PROVENANCE, "\n".join(lines) + "\n")
    return path


def names(out: Path) -> list[str]:
    return sorted(f"{path.parent.name}/{UUID(path.stem).int}" for path in out.glob("*/*.png"))


def test_each_corrected_capture_is_cropped_into_its_labels_folder_with_provenance(tmp_path: Path) -> None:
    done = ingest(export(tmp_path / "e.zip", (1, "glass", 1), (2, "metal", 2)), tmp_path / "out")
    assert (done.classes, done.new, done.left_out) == ({"glass": 1, "metal": 1}, 2, {})
    assert read_picture(tmp_path / "out/glass" / f"{UUID(int=1)}.png").shape == (160, 160, 3)
    told = [json.loads(line) for line in (tmp_path / "out" / PROVENANCE).read_text().splitlines()]
    assert [line["correction"]["by"] for line in told] == ["console", "console"]
    assert told[0]["event"]["seq"] == 1


def test_an_unpacked_export_and_one_that_comes_again_give_the_same(tmp_path: Path) -> None:
    path = export(tmp_path / "e.zip", (1, "glass", 1), (2, "metal", 2))
    ingest(path, tmp_path / "out")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    again = ingest(tmp_path / "unpacked", tmp_path / "out")
    assert (again.classes, again.new) == ({"glass": 1, "metal": 1}, 0)
    assert names(tmp_path / "out") == ["glass/1", "metal/2"]


def test_what_is_corrected_once_more_moves(tmp_path: Path) -> None:
    ingest(export(tmp_path / "e.zip", (1, "glass", 1), (2, "metal", 2)), tmp_path / "out")
    ingest(export(tmp_path / "f.zip", (1, "paper", 1)), tmp_path / "out")
    assert names(tmp_path / "out") == ["metal/2", "paper/1"]


def test_the_same_picture_is_kept_once_and_one_under_two_labels_not_at_all(tmp_path: Path) -> None:
    items = ((1, "glass", 1), (2, "glass", 1), (3, "metal", 3), (4, "paper", 3), (5, "metal", 5))
    done = ingest(export(tmp_path / "e.zip", *items), tmp_path / "out")
    assert names(tmp_path / "out") == ["glass/1", "metal/5"]
    assert len(done.left_out) == 3
    assert sum("also labelled" in why for why in done.left_out.values()) == 2


@pytest.mark.parametrize("label", ["../evil", ".hidden", "a/b", ""])
def test_a_label_that_is_no_folder_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(ConfigError, match=r"provenance.jsonl, line 1: .*label"):
        ingest(export(tmp_path / "e.zip", (1, label, 1)), tmp_path / "out")


def test_a_capture_that_is_broken_is_told_and_the_others_are_taken(tmp_path: Path) -> None:
    done = ingest(export(tmp_path / "e.zip", (1, "glass", 1), box=(400, 30, 500, 90)), tmp_path / "out")
    assert "is not in the picture, 320 x 240" in next(iter(done.left_out.values()))


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_what_is_no_export_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.zip"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="expected what the console's history tab exports"):
        ingest(path, tmp_path / "out")


def test_the_command_says_what_there_is_now(tmp_path: Path) -> None:
    path = export(tmp_path / "e.zip", (1, "glass", 1), (2, "glass", 1))
    shown = CliRunner().invoke(command.app, ["ingest", str(path), "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    assert "1 photographs, 1 new (glass 1)" in shown.output.replace("\n", " ")
    assert "the same picture as" in shown.output.replace("\n", " ")
