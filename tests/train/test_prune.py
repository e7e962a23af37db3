from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import run_fit, small_settings, stage  # noqa: E402
from train import __main__, soup  # noqa: E402
from train.model import build, load_checkpoint, seams  # noqa: E402
from train.prune import GROUP, Work, choose, without  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
CONTENT = {"arch": "resnet50", "stem": "relu6", "labels": ["a", "b", "c"]}


@pytest.fixture(scope="module")
def run(photo_folder: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run_fit(small_settings(), photo_folder, weights_file, folder)
    return folder


@pytest.fixture(scope="module")
def pruned(run: Path, photo_folder: Path) -> Path:
    """The same with half the multiply-adds, by the command."""
    out = run.with_name("pruned")
    arguments = ["prune", str(run / "best.pt"), "--data", str(photo_folder), "--keep", "0.5", "--crops", "32"]
    shown = CliRunner().invoke(__main__.app, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert shown.exit_code == 0 and "before fine-tuning validation" in shown.output
    return out


def network() -> nn.Module:
    torch.manual_seed(0)
    return build("resnet50", "relu6", 3)


@pytest.mark.parametrize(("arch", "billions"), [("resnet18", 1.81), ("resnet50", 4.09)])  # He et al. 2016, table 1
def test_the_work_of_a_network_is_what_is_known_of_it(arch: str, billions: float) -> None:
    assert Work.of(build(arch, "relu", 1000), 224).total / 1e9 == pytest.approx(billions, abs=0.01)


def test_a_channel_that_gives_nothing_can_go_without_a_change_of_the_answers() -> None:
    whole, silent = network(), {}
    for seam in seams(whole):
        norm = whole.get_submodule(seam.norm)
        silent[seam] = torch.randperm(norm.num_features)[:GROUP]
        with torch.no_grad():
            norm.weight[silent[seam]] = 0.0
            norm.bias[silent[seam]] = 0.0
    kept = {
        seam: torch.tensor(sorted(set(range(whole.get_submodule(seam.norm).num_features)) - set(rows.tolist())))
        for seam, rows in silent.items()
    }
    picture = torch.randn(1, 3, 64, 64)
    less = without(whole, CONTENT, kept)
    with torch.no_grad():
        assert torch.allclose(less(picture), whole(picture), atol=1e-4)
    assert Work.of(less, 64).total < Work.of(whole, 64).total


def test_the_channels_worth_least_go_in_groups_until_little_enough_work_remains() -> None:
    whole = network()
    worth = {seam: torch.rand(whole.get_submodule(seam.norm).num_features) for seam in seams(whole)}
    first = seams(whole)[0]
    worth[first] += 100.0  # never the cheapest
    work = Work.of(whole, 64)
    kept = choose(worth, work, 0.6)
    less = without(whole, CONTENT, kept)
    assert 0.55 * work.total < Work.of(less, 64).total <= 0.6 * work.total
    assert len(kept[first]) == len(worth[first])
    for seam, rows in kept.items():
        assert (len(worth[seam]) - len(rows)) % GROUP == 0 and len(rows) >= GROUP
        gone = set(range(len(worth[seam]))) - set(rows.tolist())
        assert not gone or float(worth[seam][list(gone)].max()) <= float(worth[seam][rows].min())


def test_more_than_can_go_is_refused_with_what_would_remain() -> None:
    whole = network()
    worth = {seam: torch.ones(whole.get_submodule(seam.norm).num_features) for seam in seams(whole)}
    with pytest.raises(ConfigError, match=r"keep 0\.01: with 32 channels in every place"):
        choose(worth, Work.of(whole, 64), 0.01)


def test_a_pruned_fit_says_what_it_lost_and_where_it_comes_from(run: Path, pruned: Path) -> None:
    said = json.loads((pruned / "pruned.json").read_text())
    assert said["multiply_adds"]["after"] <= 0.5 * said["multiply_adds"]["before"]
    less, content = load_checkpoint(pruned / "best.pt")
    assert Work.of(less, 32).total == said["multiply_adds"]["after"]
    assert all(less.get_submodule(name).out_channels == width for name, width in said["widths"].items())
    assert content["provenance"]["start_sha256"] is not None
    assert (pruned / "split.json").read_bytes() == (run / "split.json").read_bytes()


def test_a_pruned_network_is_fine_tuned_with_the_whole_one_as_its_teacher(
    run: Path, pruned: Path, photo_folder: Path, tmp_path: Path
) -> None:
    settings = small_settings()
    settings["finetune"]["stages"] = [stage("fc", "layer4", "layer3", "layer2", "layer1", "stem")]
    settings["finetune"]["distill"] = {"weight": 0.7, "temperature": 2.0}
    progress = run_fit(
        settings, photo_folder, None, tmp_path / "slim", start=pruned / "best.pt", teachers=(run / "best.pt",)
    )
    assert progress.epoch == 1
    before, after = (load_checkpoint(folder / "best.pt")[0].state_dict() for folder in (pruned, tmp_path / "slim"))
    assert {name: tensor.shape for name, tensor in before.items()} == {n: t.shape for n, t in after.items()}
    assert not torch.equal(before["layer1.0.conv1.weight"], after["layer1.0.conv1.weight"])


def test_the_mean_of_a_whole_network_and_a_pruned_one_is_refused(run: Path, pruned: Path) -> None:
    with pytest.raises(ConfigError, match="other widths"):
        soup.read_ingredients([run, pruned])
