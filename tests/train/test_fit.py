from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import small_settings  # noqa: E402
from train import checkpoint, loop, phases  # noqa: E402
from train.config import TrainConfig  # noqa: E402
from train.data import reference_split, scan  # noqa: E402
from train.fit import fit  # noqa: E402
from train.model import build, load_checkpoint, pretrained  # noqa: E402


def run(settings: dict[str, Any], photos: Path, weights: Path, out: Path, *, resume: bool = False) -> loop.Progress:
    config = TrainConfig.model_validate(settings)
    return fit(config, data=photos, weights=weights, out=out, resume=resume)


class PowerCutError(Exception):
    """Stands for whatever ends a fit in the middle."""


@pytest.fixture(scope="module")
def finished(photo_folder: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit that ran to its end, undisturbed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    progress = run(small_settings(), photo_folder, weights_file, out)
    assert progress.best["right"] == progress.best["total"] == 6
    return out


def test_interrupted_and_resumed_fit_ends_with_the_same_bits(
    settings: dict[str, Any],
    photo_folder: Path,
    weights_file: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train_epoch = loop.Finetuner.train_epoch

    def cut_in_the_second_epoch(self: loop.Finetuner, data: loop.FitData) -> dict[str, float]:
        figures = train_epoch(self, data)
        if self.progress.epoch == 1:
            raise PowerCutError  # after its steps, before anything of it is saved
        return figures

    monkeypatch.setattr(loop.Finetuner, "train_epoch", cut_in_the_second_epoch)
    with pytest.raises(PowerCutError):
        run(settings, photo_folder, weights_file, tmp_path)
    monkeypatch.setattr(loop.Finetuner, "train_epoch", train_epoch)
    torch.manual_seed(99)  # another process would have another generator
    resumed = run(settings, photo_folder, weights_file, tmp_path, resume=True)

    whole, cut = (torch.load(folder / "last.pt", weights_only=True) for folder in (finished, tmp_path))
    assert [row["loss"] for row in resumed.history] == [row["loss"] for row in whole["progress"]["history"]]
    for part in ("model", "average"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, cut[part][name]), name
    best, again = (load_checkpoint(folder / "best.pt")[1] for folder in (finished, tmp_path))
    assert best["provenance"] == again["provenance"]
    assert all(torch.equal(best["state_dict"][n], tensor) for n, tensor in again["state_dict"].items())


def test_checkpoints_are_as_documented(finished: Path) -> None:
    assert {path.name for path in finished.glob("*.pt")} == {"best.pt", "phase1.pt", "last.pt"}
    for name, phase in (("phase1.pt", 1), ("best.pt", 2)):
        model, content = load_checkpoint(finished / name)
        assert set(content) == {
            "format", "arch", "stem", "labels", "state_dict", "preprocessing", "normalisation", "config", "provenance",
        }  # fmt: skip
        assert (content["format"], content["arch"], content["stem"]) == (1, "resnet18", "relu6")
        assert content["labels"] == ["blue", "green", "red"]
        assert content["preprocessing"]["size_px"] == 32
        assert content["provenance"]["phase"] == phase
        assert content["provenance"]["validation"]["total"] == 6
        assert not model.training and isinstance(model.relu, torch.nn.ReLU6)
        assert all(t.is_contiguous() and t.device.type == "cpu" for t in content["state_dict"].values())


def test_only_the_configured_blocks_learn_and_batch_norm_statistics_stay(finished: Path) -> None:
    before = load_checkpoint(finished / "phase1.pt")[1]["state_dict"]
    after = load_checkpoint(finished / "best.pt")[1]["state_dict"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and {name.split(".")[0] for name in changed} == {"fc", "layer4"}
    assert not any("running" in name for name in changed)


def test_a_finished_run_is_not_overwritten_and_another_fit_is_not_resumed(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, finished: Path
) -> None:
    with pytest.raises(ConfigError, match="continue it with --resume, or give another --out"):
        run(settings, photo_folder, weights_file, finished)
    settings["finetune"]["batch"] = 5
    with pytest.raises(ConfigError, match="is of another fit: its config differ"):
        run(settings, photo_folder, weights_file, finished, resume=True)


def test_fit_stops_when_validation_stops_improving(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings["finetune"].update(epochs=50, patience=2)
    tuner = loop.Finetuner(tiny(), TrainConfig.model_validate(settings).finetune, seed=0, photos=1)
    nothing = np.zeros((0, 32, 32, 3), np.uint8)
    data = loop.FitData([], np.zeros(0, np.int64), nothing, np.array([0, 1, 0, 1]))
    right = iter([2, 3, 3, 3, 4])
    kept: list[int] = []
    monkeypatch.setattr(tuner, "train_epoch", lambda data: dict.fromkeys(FIGURES, 1.0))
    monkeypatch.setattr(loop, "predict", lambda *_: logits_with_right(next(right), data.validation_targets))
    monkeypatch.setattr(loop, "save_atomically", lambda content, path: None)
    loop.run(tuner, data, out=tmp_path, batch=1, fingerprint={}, keep_best=lambda _, p: kept.append(p.epoch))
    assert tuner.progress.epoch == 4  # the second is the best, then two in vain
    assert kept == [1, 2]


FIGURES = ("loss", "accuracy", "seconds", "augment_seconds")


def logits_with_right(right: int, targets: np.ndarray) -> np.ndarray:
    """(N, 2) logits by which the first `right` photographs are classed rightly, the others wrongly."""
    predicted = np.where(np.arange(len(targets)) < right, targets, 1 - targets)
    return np.eye(2, dtype=np.float32)[predicted]


def tiny() -> torch.nn.Module:
    return build("resnet18", "relu", 2)


def test_features_are_computed_once(
    settings: dict[str, Any], photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = reference_split(scan(photo_folder)).validation
    spec = TrainConfig.model_validate(settings).preprocessing
    first = phases.cached_features(tiny(), photos, spec, 4, tmp_path / "features.npy", part="validation")
    assert first.shape == (6, 512)
    monkeypatch.setattr(phases, "extract_features", lambda *_: pytest.fail("computed again"))
    again = phases.cached_features(tiny(), photos, spec, 4, tmp_path / "features.npy", part="validation")
    assert torch.equal(first, again)


def test_a_photograph_named_for_dropping_must_exist(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    settings["data"]["drop_from_training"] = ["blue/blue3.png", "blue/nothing.png"]
    with pytest.raises(ConfigError, match=r"no such photograph: blue/nothing\.png"):
        run(settings, photo_folder, weights_file, tmp_path)


def test_blocks_that_learn_must_reach_the_head(settings: dict[str, Any]) -> None:
    settings["finetune"]["rates"] = {"fc": 1e-3, "layer3": 1e-4}
    config = TrainConfig.model_validate(settings)
    with pytest.raises(ConfigError, match="expected every block from one up to fc"):
        loop.Finetuner(tiny(), config.finetune, seed=0, photos=10)


def test_the_rate_rises_then_falls_to_zero(settings: dict[str, Any]) -> None:
    config = TrainConfig.model_validate(settings).finetune
    tuner = loop.Finetuner(tiny(), config, seed=0, photos=1000)
    factors = [tuner._rate_factor(step) for step in range(200)]  # 2 epochs of 100 steps
    peak = int(np.argmax(factors))
    assert peak == 30 and factors[peak] == pytest.approx(1)
    assert factors[:31] == sorted(factors[:31]) and factors[30:] == sorted(factors[30:], reverse=True)
    assert factors[-1] < 1e-3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no torch file", "cannot be read"),
        ({"a": 1}, "expected a state dict"),
        ({}, "missing .* torchvision's names"),
    ],
)
def test_weights_of_something_else_are_refused(
    settings: dict[str, Any], tmp_path: Path, content: Any, message: str
) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ConfigError, match=message):
        pretrained(TrainConfig.model_validate(settings).model, 3, path)


def test_weights_of_another_network_are_refused(settings: dict[str, Any], weights_file: Path) -> None:
    settings["model"]["arch"] = "resnet50"
    with pytest.raises(ConfigError, match="not resnet50 weights"):
        pretrained(TrainConfig.model_validate(settings).model, 3, weights_file)


def test_last_pt_is_no_checkpoint(finished: Path) -> None:
    with pytest.raises(ConfigError, match=r"not a checkpoint of format 1; expected best\.pt or phase1\.pt"):
        load_checkpoint(finished / "last.pt")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save_atomically({"epoch": 1}, path)

    def half(content: object, file: Any) -> None:
        file.write(b"half")
        raise PowerCutError

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(PowerCutError):
        checkpoint.save_atomically({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
