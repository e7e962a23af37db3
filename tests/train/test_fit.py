"""Whole fits, from a folder of photographs to the files they leave."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import command, run_fit, small_settings, stage  # noqa: E402
from train import checkpoint, fit, material  # noqa: E402
from train.config import TrainConfig  # noqa: E402
from train.finetune import Finetuner  # noqa: E402
from train.model import load_checkpoint  # noqa: E402
from train.scenes.backgrounds import Backgrounds  # noqa: E402

ROOT = Path(__file__).parents[2]
MIXED = {"probability": 0.5, "mixup_alpha": 0.2, "cutmix_alpha": 1.0}
PATIENCE_S = 240  # for another process; seconds are usual, a busy machine needs more


class PowerCutError(Exception):
    """Stands for whatever ends a fit in the middle."""


@pytest.fixture(scope="module")
def finished(photo_folder: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit that ran to its end, undisturbed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    progress = run_fit(small_settings(), photo_folder, weights_file, out)
    assert progress.best["right"] == progress.best["total"] == 6
    return out


def state_of(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / "last.pt", weights_only=True))


def assert_same_bits(one: Path, other: Path) -> None:
    """Weights, averages, optimiser, losses and the checkpoint kept are equal, not nearly equal."""
    first, second = state_of(one), state_of(other)
    for part in ("model", "average"):
        assert [n for n, t in first[part].items() if not torch.equal(t, second[part][n])] == []
    moments = first["optimiser"]["state"], second["optimiser"]["state"]
    assert moments[0].keys() == moments[1].keys()
    assert all(torch.equal(t, moments[1][i][name]) for i, kept in moments[0].items() for name, t in kept.items())
    timeless = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in state["progress"]["history"]]
        for state in (first, second)
    ]
    assert timeless[0] == timeless[1]
    best, again = (load_checkpoint(folder / "best.pt")[1] for folder in (one, other))
    assert best["provenance"] == again["provenance"]
    assert all(torch.equal(t, again["state_dict"][name]) for name, t in best["state_dict"].items())


def test_an_interrupted_and_resumed_fit_ends_with_the_same_bits(
    settings: dict[str, Any],
    photo_folder: Path,
    weights_file: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train_epoch = Finetuner.train_epoch

    def cut_in_the_second_epoch(self: Finetuner, *given: Any, **named: Any) -> dict[str, Any]:
        figures = train_epoch(self, *given, **named)
        if self.progress.epoch == 1:
            raise PowerCutError  # after its steps, before anything of it is saved
        return figures

    monkeypatch.setattr(Finetuner, "train_epoch", cut_in_the_second_epoch)
    with pytest.raises(PowerCutError):
        run_fit(settings, photo_folder, weights_file, tmp_path)
    monkeypatch.setattr(Finetuner, "train_epoch", train_epoch)
    torch.manual_seed(99)  # another process would have another generator
    run_fit(settings, photo_folder, weights_file, tmp_path, resume=True)
    assert_same_bits(finished, tmp_path)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than this machine has cores
def test_a_fit_killed_in_the_middle_and_resumed_ends_with_the_same_bits(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    settings["workers"] = 2
    stages = [stage("fc", "layer4", epochs=2), stage("fc", "layer4", "layer3", epochs=4)]
    settings["finetune"].update(mix=MIXED, stages=stages, patience=10)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_fit(settings, photo_folder, weights_file, whole)

    launched = [sys.executable, "-m", "train", *command(settings, photo_folder, weights_file, killed)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(launched, cwd=ROOT, stdout=log, stderr=log) as running:
        deadline = time.monotonic() + PATIENCE_S
        while not (killed / "last.pt").exists():
            assert running.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, "no last.pt"
            time.sleep(0.005)
        running.kill()
    assert 1 <= state_of(killed)["progress"]["epoch"] < 6, "killed too late to be resumed"
    assert not (killed / "history.json").exists()

    resumed = subprocess.run([*launched, "--resume"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "resuming after epoch" in resumed.stdout
    assert_same_bits(whole, killed)


def test_what_is_written_is_as_documented(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        "best.pt", "phase1.pt", "last.pt", "history.json", "split.json",
    }  # fmt: skip
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
        assert TrainConfig.model_validate(content["config"]) == TrainConfig.model_validate(small_settings())
        assert not model.training and isinstance(model.relu, torch.nn.ReLU6)
        assert all(t.is_contiguous() and t.device.type == "cpu" for t in content["state_dict"].values())
    split = json.loads((finished / "split.json").read_text())
    assert [len(split[part]) for part in ("train", "validation", "test")] == [27, 6, 9]
    rows = json.loads((finished / "history.json").read_text())
    assert [(row["epoch"], row["stage"]) for row in rows] == [(1, 1), (2, 2)]
    assert {"loss", "accuracy", "seconds", "validation_right", "validation_nll"} <= set(rows[0])


def test_only_the_configured_blocks_learn_and_batch_norm_statistics_stay(finished: Path) -> None:
    before, after = load_checkpoint(finished / "phase1.pt")[1]["state_dict"], state_of(finished)["model"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in changed} == {"fc", "layer4", "layer3"}
    assert not any("running" in name for name in changed)


def test_a_finished_run_is_not_overwritten_and_another_fit_is_not_resumed(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, finished: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in finished.iterdir()}
    with pytest.raises(ConfigError, match="continue it with --resume, or give another --out"):
        run_fit(settings, photo_folder, weights_file, finished)
    fewer = Path(shutil.copytree(photo_folder, tmp_path / "tints"))
    (fewer / "red" / "red0.png").unlink()
    with pytest.raises(ConfigError, match="is of another fit: its data_sha256 differ"):
        run_fit(settings, fewer, weights_file, finished, resume=True)
    settings["finetune"]["batch"] = 5
    with pytest.raises(ConfigError, match="is of another fit: its config differ"):
        run_fit(settings, photo_folder, weights_file, finished, resume=True)
    assert {path: path.read_bytes() for path in finished.iterdir()} == before


def test_re_estimated_statistics_are_found_again_when_a_fit_is_resumed(
    settings: dict[str, Any],
    photo_folder: Path,
    weights_file: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fit, "REESTIMATION_BATCHES", 2)
    settings["finetune"].update(batch_norm="reestimated", stages=[stage("fc")])
    run_fit(settings, photo_folder, weights_file, tmp_path / "run")
    statistics = load_checkpoint(tmp_path / "run" / "phase1.pt")[1]["state_dict"]["bn1.running_mean"]
    assert not torch.equal(statistics, load_checkpoint(finished / "phase1.pt")[1]["state_dict"]["bn1.running_mean"])
    assert torch.equal(state_of(tmp_path / "run")["model"]["bn1.running_mean"], statistics)
    before = (tmp_path / "run" / "phase1.pt").read_bytes()
    run_fit(settings, photo_folder, weights_file, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "phase1.pt").read_bytes() == before


def test_a_fit_in_bfloat16_runs(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, tmp_path: Path
) -> None:
    settings["precision"] = "bfloat16"
    settings["finetune"]["stages"] = [stage("fc", "layer4")]
    assert run_fit(settings, photo_folder, weights_file, tmp_path / "run").best["right"] >= 5


def test_other_trays_are_judged_too_where_the_config_composes(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(material, "Backgrounds", lambda rng, **_: Backgrounds(rng, count=4))  # 300 take seconds
    settings["finetune"].update(stages=[stage("fc")])
    settings["finetune"]["augment"]["scenes"] = {"composed": 0.5, "followed": 0.2, "empty": 0.1}
    progress = run_fit(settings, photo_folder, weights_file, tmp_path / "run")
    assert progress.history[0]["validation_composed_total"] == 6
    assert {"right", "nll", "composed_right", "composed_nll"} <= set(progress.best)


def test_a_fit_may_learn_from_an_earlier_one(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, finished: Path, tmp_path: Path
) -> None:
    settings["finetune"].update(distill={"weight": 1.0, "temperature": 2.0}, stages=[stage("fc")])
    taught = run_fit(settings, photo_folder, weights_file, tmp_path / "run", teachers=(finished / "best.pt",))
    assert taught.history[0]["loss"] < 0.5 * state_of(finished)["progress"]["history"][0]["loss"]


def test_a_teacher_of_other_labels_is_refused(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, finished: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(photo_folder, tmp_path / "tints"))
    (root / "red").rename(root / "yellow")
    settings["finetune"]["distill"] = {"weight": 0.5, "temperature": 2.0}
    with pytest.raises(ConfigError, match=r"best\.pt: knows .*'red'.*, the photographs are of .*'yellow'"):
        run_fit(settings, root, weights_file, tmp_path / "run", teachers=(finished / "best.pt",))
    assert not (tmp_path / "run").exists(), "refused before anything is computed"


def test_a_fit_is_not_resumed_with_another_teacher(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, finished: Path, tmp_path: Path
) -> None:
    settings["finetune"].update(distill={"weight": 0.5, "temperature": 2.0}, stages=[stage("fc")])
    run_fit(settings, photo_folder, weights_file, tmp_path / "run", teachers=(finished / "best.pt",))
    with pytest.raises(ConfigError, match="is of another fit: its teacher_sha256 differ"):
        run_fit(settings, photo_folder, weights_file, tmp_path / "run", teachers=(finished / "phase1.pt",), resume=True)
    run_fit(settings, photo_folder, weights_file, tmp_path / "run", teachers=(finished / "best.pt",), resume=True)


@pytest.mark.parametrize("asked_in", ["config", "option"])
def test_distillation_is_asked_for_in_config_and_option_or_not_at_all(
    settings: dict[str, Any], photo_folder: Path, weights_file: Path, finished: Path, tmp_path: Path, asked_in: str
) -> None:
    if asked_in == "config":
        settings["finetune"]["distill"] = {"weight": 0.5, "temperature": 2.0}
    teachers = (finished / "best.pt",) if asked_in == "option" else ()
    with pytest.raises(ConfigError, match=r"finetune\.distill in the config and --teacher belong together"):
        run_fit(settings, photo_folder, weights_file, tmp_path / "run", teachers=teachers)


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
