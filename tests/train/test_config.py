from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.errors import ConfigError
from tests.train.conftest import stage
from train.config import load_config

SHIPPED = Path(__file__).parents[2] / "configs" / "train"


def write(tmp_path: Path, settings: Any) -> Path:
    path = tmp_path / "fit.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def refusal(tmp_path: Path, settings: Any, *changes: str) -> str:
    """What the config is refused with."""
    with pytest.raises(ConfigError) as refused:
        load_config(write(tmp_path, settings), changes)
    return str(refused.value)


def section(settings: Any, where: str) -> Any:
    """The part of nested settings that a dotted path names."""
    for name in filter(None, where.split(".")):
        settings = settings[int(name) if isinstance(settings, list) else name]
    return settings


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_config_is_valid(path: Path) -> None:
    load_config(path)


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        ("", "data, features, finetune, model, precision, preprocessing, seed, threads, workers"),
        ("data", "drop_conflicting, fold, folds, memory_height_px, split"),
        ("preprocessing", "colour, interpolation, resize, size_px"),
        ("finetune.mix", "cutmix_alpha, mixup_alpha, probability"),
        ("finetune.distill", "temperature, weight"),
        ("finetune.augment.scenes", "composed, empty, followed, sheet"),
        ("finetune.stages.1", "composed, crop_px, epochs, mix, rates"),
    ],
)
def test_an_unknown_key_is_named_with_its_file_and_what_is_allowed(
    tmp_path: Path, settings: dict[str, Any], where: str, allowed: str
) -> None:
    settings["finetune"]["mix"] = {"probability": 0.5, "mixup_alpha": 0.2, "cutmix_alpha": 1.0}
    settings["finetune"]["distill"] = {"weight": 0.5, "temperature": 2}
    settings["finetune"]["augment"]["scenes"] = {"composed": 0.5, "followed": 0.1}
    section(settings, where)["surprise"] = 0.3
    key = f"{where}.surprise".removeprefix(".")
    assert refusal(tmp_path, settings).endswith(f"fit.yaml: {key}: unknown key; allowed here: {allowed}")


def test_every_fault_has_a_line(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["sede"] = 1
    settings["finetune"]["batch"] = 0
    lines = refusal(tmp_path, settings).splitlines()
    assert len(lines) == 2 and all("fit.yaml: " in line for line in lines)


def test_an_unknown_block_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["finetune"]["stages"][1]["rates"]["layer9"] = 1e-4
    message = refusal(tmp_path, settings)
    assert "finetune.stages.1.rates.layer9: " in message and "'layer4', 'layer3'" in message


@pytest.mark.parametrize(
    ("where", "key", "value", "message"),
    [
        ("finetune.stages.0", "epochs", 0, r"finetune.stages.0.epochs: .*greater than or equal to 1, found 0"),
        ("finetune", "stages", [], "finetune.stages: .*at least 1 item"),
        ("finetune", "label_smoothing", 1.0, "finetune.label_smoothing: .*less than 1, found 1.0"),
        ("data", "split", "random", "data.split: .*'reference', 'official', 'grouped' or 'kfold', found 'random'"),
        ("", "precision", "float16", "precision: .*'auto', 'float32' or 'bfloat16', found 'float16'"),
        ("data", "fold", 5, "data: .*fold 5 of 5: the last is 4"),
        ("finetune.augment", "scenes", {"composed": 0.8, "followed": 0.2, "empty": 0.1},
         r"finetune.augment.scenes: .*composed \+ followed \+ sheet \+ empty = 1\.1; expected at most 1"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_with_what_was_found(
    tmp_path: Path, settings: dict[str, Any], where: str, key: str, value: Any, message: str
) -> None:
    section(settings, where)[key] = value
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, settings))


@pytest.mark.parametrize("blocks", [("layer4",), ("fc", "layer3"), ("fc", "stem")])
def test_a_stage_that_skips_a_block_is_refused(
    tmp_path: Path, settings: dict[str, Any], blocks: tuple[str, ...]
) -> None:
    settings["finetune"]["stages"][0] = stage(*blocks)
    message = refusal(tmp_path, settings)
    assert "finetune.stages.0: " in message and "expected every block from fc down to one" in message


def test_the_order_in_which_a_stage_names_its_blocks_is_free(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["finetune"]["stages"] = [stage("layer3", "fc", "layer4")]
    assert load_config(write(tmp_path, settings)).finetune.epochs == 1


def test_set_changes_values_at_every_depth(tmp_path: Path, settings: dict[str, Any]) -> None:
    changes = (
        "seed=7",
        "finetune.stages.1.epochs=12",
        "finetune.stages.0.rates={fc: 1.0e-3}",
        "finetune.mix={probability: 0.5, mixup_alpha: 0.2, cutmix_alpha: 0}",
        "finetune.weight_decay=1e-3",
        "finetune.augment.scenes=null",
    )
    config = load_config(write(tmp_path, settings), changes)
    assert (config.seed, config.finetune.epochs) == (7, 13)
    assert config.finetune.stages[0].rates == {"fc": 1e-3}
    assert config.finetune.mix is not None and config.finetune.mix.cutmix_alpha == 0
    assert config.finetune.weight_decay == 1e-3 and config.finetune.augment.scenes is None


def test_of_two_changes_of_one_value_the_last_counts(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert load_config(write(tmp_path, settings), ("seed=2", "seed=3")).seed == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("seed", "no = in it"),
        ("finetune.stagez.0.epochs=2", "'stagez'"),
        ("finetune.stages.2.epochs=2", "list index out of range"),
        ("finetune.stages.first.epochs=2", "invalid literal for int"),
        ("seed.of.what=1", "'int' object"),
        ("finetune.stages=[1", "while parsing a flow sequence"),
    ],
)
def test_a_set_that_leads_nowhere_is_refused(
    tmp_path: Path, settings: dict[str, Any], change: str, reason: str
) -> None:
    message = refusal(tmp_path, settings, change)
    assert message.startswith(f"--set {change}: ") and reason in message
    assert message.endswith("expected a key of the config, as finetune.stages.0.epochs=2")


def test_a_set_of_an_unknown_key_is_refused_with_what_is_allowed(tmp_path: Path, settings: dict[str, Any]) -> None:
    message = refusal(tmp_path, settings, "finetune.epochs=2")
    assert "finetune.epochs: unknown key; allowed here: augment, batch," in message


def test_missing_empty_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: No such file"):
        load_config(tmp_path / "no.yaml")
    assert "the whole file" in refusal(tmp_path, None)
    assert "--set seed=1: " in refusal(tmp_path, None, "seed=1")
    (tmp_path / "bad.yaml").write_text("seed: [1")
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(tmp_path / "bad.yaml")


def test_a_loaded_config_never_changes(tmp_path: Path, settings: dict[str, Any]) -> None:
    config = load_config(write(tmp_path, settings))
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 5  # type: ignore[misc]


def test_a_stage_with_other_trays_needs_scenes_and_leaves_room_for_their_others(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    settings["finetune"]["stages"][0]["composed"] = 0.9
    with pytest.raises(ConfigError, match=r"a stage says composed: 0\.9, but augment has no scenes"):
        load_config(write(tmp_path, settings))
    settings["finetune"]["augment"]["scenes"] = {"composed": 0.3, "followed": 0.2}
    with pytest.raises(ConfigError, match=r"composed \+ followed \+ sheet \+ empty = 1\.1; expected at most 1"):
        load_config(write(tmp_path, settings))


def test_a_fit_that_would_stop_before_its_next_validation_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings["finetune"].update(patience=3, validate_every=4)
    assert "patience 3: would stop before the next validation, which comes every 4 epochs" in refusal(
        tmp_path, settings
    )
