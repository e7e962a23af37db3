"""What an export is given: checkpoints, splits and photographs that cannot be used are refused by name."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from export.checkpoint import read_checkpoint
from export.photos import check_data, choose_for_calibration, find_data, read_split, targets_of


@pytest.fixture
def content(run_folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(run_folder / "best.pt", weights_only=True)
    return loaded


def refusal(content: object, path: Path) -> str:
    torch.save(content, path)
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(path)
    return str(caught.value)


def test_checkpoint_of_another_format_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    message = refusal({**content, "format": 2}, tmp_path / "new.pt")
    assert "new.pt: checkpoint format 2, this program reads 1" in message


def test_unfinished_fits_state_is_no_checkpoint(tmp_path: Path) -> None:
    assert "checkpoint format None" in refusal({"model": {}, "average": {}}, tmp_path / "last.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arch": "vgg16"}, "arch: Input should be 'resnet18' or 'resnet50' (found 'vgg16')"),
        ({"stem": "gelu"}, "stem: Input should be 'relu' or 'relu6'"),
        ({"labels": ["glass"]}, "labels: Tuple should have at least 2 items"),
        ({"preprocessing": {"size_px": 64}}, "preprocessing.resize: Field required"),
        ({"normalisation": {"mean": [0, 0, 0], "std": [1, 0, 1]}}, "normalisation.std.1: Input should be"),
        ({"arch": "resnet50"}, "its weights are not those of resnet50"),
        ({"labels": ["a", "b", "c", "d"]}, "size mismatch for fc.weight"),
        ({"state_dict": None}, "its weights are not those of resnet18"),
    ],
)
def test_checkpoint_with_a_wrong_field_is_refused_by_its_name(
    content: dict[str, Any], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    assert said in refusal({**content, **change}, tmp_path / "wrong.pt")


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("not a checkpoint")
    for name, said in (("text.pt", "not a torch checkpoint"), ("none.pt", "no such file")):
        with pytest.raises(ConfigError, match=said):
            read_checkpoint(tmp_path / name)
    assert "holds a list" in refusal([1, 2], tmp_path / "list.pt")


def test_relu6_stem_is_used(content: dict[str, Any], run_folder: Path, tmp_path: Path) -> None:
    assert isinstance(read_checkpoint(run_folder / "best.pt").network.relu, torch.nn.ReLU6)
    torch.save({**content, "stem": "relu"}, tmp_path / "relu.pt")
    assert not isinstance(read_checkpoint(tmp_path / "relu.pt").network.relu, torch.nn.ReLU6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"train": ["a/1"], "validation": ["a/2"], "test": ["a/1"]}', "1 photographs stand in it twice"),
        ('{"train": ["a/1"], "validation": [], "test": ["a/3"]}', "validation: Tuple should have at least 1 item"),
        ('{"train": ["a/1"], "validation": ["a/2"]}', "test: Field required"),
        ('{"train": ["a/1"], "validation": ["a/2"], "test": ["a/3"], "extra": []}', "extra: Extra inputs"),
        ("no json", "Invalid JSON"),
    ],
)
def test_split_that_cannot_be_trusted_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_split(tmp_path / "split.json")


def test_missing_split_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="python -m train fit leaves it beside its checkpoints"):
        read_split(tmp_path / "split.json")


def test_photographs_other_than_the_fits_are_refused(photo_folder: Path, run_folder: Path, tmp_path: Path) -> None:
    expected = read_checkpoint(run_folder / "best.pt").header.provenance.data_sha256
    labels = ("glass", "paper", "trash")
    check_data(photo_folder, labels, expected)
    changed = Path(shutil.copytree(photo_folder, tmp_path / "copy"))
    check_data(changed, labels, expected)
    (changed / "glass" / "glass0.png").write_bytes(b"another")
    with pytest.raises(ConfigError, match=r"60 photographs with sha256 .* the checkpoint was trained on"):
        check_data(changed, labels, expected)


def test_class_that_is_no_label_is_refused() -> None:
    assert np.array_equal(targets_of(["b/1", "a/1"], ["a", "b"]), [1, 0])
    with pytest.raises(ConfigError, match=r"\['c'\]"):
        targets_of(["c/1"], ["a", "b"])


def test_calibration_takes_classes_evenly_and_always_the_same() -> None:
    names = [f"paper/{i}.jpg" for i in range(90)] + [f"trash/{i}.jpg" for i in range(10)]
    chosen = choose_for_calibration(names, 16)
    assert Counter(name.split("/")[0] for name in chosen) == {"paper": 8, "trash": 8}
    assert choose_for_calibration(names[::-1], 16) == chosen
    # Where a class has no more, the others fill up.
    more = Counter(name.split("/")[0] for name in choose_for_calibration(names, 60))
    assert more == {"paper": 50, "trash": 10}
    assert len(choose_for_calibration(names, 500)) == len(set(choose_for_calibration(names, 500))) == 100


def test_calibration_sees_training_photographs_only(run_folder: Path) -> None:
    split = read_split(run_folder / "split.json")
    assert json.loads((run_folder / "split.json").read_text())["train"] == list(split.train)
    chosen = set(choose_for_calibration(split.train, 24))
    assert len(chosen) == 24
    assert not chosen & {*split.validation, *split.test}


def test_photographs_are_found_by_option_or_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SMARTBIN_DATA", raising=False)
    with pytest.raises(ConfigError, match="give --data DIR"):
        find_data(None)
    with pytest.raises(ConfigError, match="no such folder"):
        find_data(tmp_path / "none")
    (tmp_path / "trashnet").mkdir()
    monkeypatch.setenv("SMARTBIN_DATA", str(tmp_path))
    assert find_data(None) == tmp_path / "trashnet"
