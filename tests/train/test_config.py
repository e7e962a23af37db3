from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.errors import ConfigError
from train.config import load_config

SHIPPED = Path(__file__).parents[2] / "configs" / "train"


def write(tmp_path: Path, settings: Any) -> Path:
    path = tmp_path / "fit.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_config_is_valid(path: Path) -> None:
    load_config(path)


def test_unknown_key_is_named_with_its_file_and_what_is_allowed(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["finetune"]["augment"]["brightnes"] = 0.3
    with pytest.raises(ConfigError) as refused:
        load_config(write(tmp_path, settings))
    message = str(refused.value)
    assert "fit.yaml: finetune.augment.brightnes: unknown key" in message
    assert "allowed here: area, aspect, blur_probability" in message and "brightness" in message


def test_unknown_block_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["finetune"]["rates"]["layer9"] = 1e-4
    with pytest.raises(ConfigError, match=r"finetune\.rates\.layer9: .*'layer4', 'layer3'"):
        load_config(write(tmp_path, settings))


def test_value_out_of_range_is_refused_with_what_was_found(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["finetune"]["epochs"] = 0
    with pytest.raises(ConfigError, match=r"finetune\.epochs: .*greater than or equal to 1, found 0"):
        load_config(write(tmp_path, settings))


def test_missing_empty_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: No such file"):
        load_config(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match="the whole file"):
        load_config(write(tmp_path, None))
    (tmp_path / "bad.yaml").write_text("seed: [1")
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(tmp_path / "bad.yaml")
