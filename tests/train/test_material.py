from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import run_fit  # noqa: E402
from train import material  # noqa: E402
from train.config import TrainConfig  # noqa: E402
from train.data import reference_split, scan  # noqa: E402
from train.distributed import World  # noqa: E402


def test_a_photograph_under_two_labels_is_left_out_of_training_alone(
    settings: dict[str, Any], photo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(photo_folder, tmp_path / "tints"))
    for i in range(14):
        shutil.copy(root / "blue" / f"blue{i}.png", root / "green" / f"green{i}.png")
    config = TrainConfig.model_validate(settings).data
    world, plain = World(0, 1, torch.device("cpu")), reference_split(scan(root))
    split = material.usable_split(scan(root), config, world)
    assert {name.split("/")[0] for name in split.train.names} == {"red"}
    assert (split.validation.names, split.test.names) == (plain.validation.names, plain.test.names)
    assert "left out of training, for they stand under two labels: blue/" in capsys.readouterr().out
    kept = material.usable_split(scan(root), config.model_copy(update={"drop_conflicting": False}), world)
    assert kept.train.names == plain.train.names


def test_a_photograph_that_cannot_be_read_is_named_before_anything_is_written(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(photo_folder, tmp_path / "tints"))
    (root / "blue" / "blue3.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"1 of 42 files cannot be read \(blue/blue3\.png: .*repair or remove"):
        run_fit(settings, root, weights_file, tmp_path / "run")
    assert not (tmp_path / "run").exists()
