from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import run_fit, small_settings  # noqa: E402
from train import __main__, soup  # noqa: E402
from train.model import load_checkpoint  # noqa: E402


@pytest.fixture(scope="module")
def fits(photo_folder: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two fits that differ in their seed."""
    root, runs = tmp_path_factory.mktemp("runs"), []
    for seed in (1, 2):
        run_fit({**small_settings(), "seed": seed}, photo_folder, weights_file, root / f"seed{seed}")
        runs.append(root / f"seed{seed}")
    return runs


def judged_by(monkeypatch: pytest.MonkeyPatch, like: float, fits: list[Path]) -> None:
    """Let validation like a network the better the nearer its head lies to the mean with share `like` of the second."""
    heads = [load_checkpoint(run / "best.pt")[1]["state_dict"]["fc.weight"] for run in fits]
    ideal = torch.lerp(heads[0], heads[1], like)

    def taste(_: object, state: soup.State) -> dict[str, float]:
        return {"right": 0, "total": 6, "accuracy": 0.0, "nll": float((state["fc.weight"] - ideal).abs().sum())}

    monkeypatch.setattr(soup._Taster, "taste", taste)


def test_the_weights_are_the_mean_in_the_shares_that_validation_likes_best(
    fits: list[Path], photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, 0.3, fits)
    said = soup.cook(fits, photo_folder, tmp_path / "soup")
    assert said["shares"] == {str(fits[0]): pytest.approx(0.7), str(fits[1]): pytest.approx(0.3)}
    first, second, mean = (
        load_checkpoint(folder / "best.pt")[1]["state_dict"]["layer4.0.conv1.weight"]
        for folder in (*fits, tmp_path / "soup")
    )
    assert torch.allclose(mean, torch.lerp(first, second, 0.3), atol=1e-7)
    content = load_checkpoint(tmp_path / "soup" / "best.pt")[1]
    assert content["provenance"]["soup"] == said["shares"]
    assert (tmp_path / "soup" / "split.json").read_bytes() == (fits[0] / "split.json").read_bytes()
    assert json.loads((tmp_path / "soup" / "soup.json").read_text()) == said


def test_a_fit_that_helps_nothing_is_left_out(
    fits: list[Path], photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, 1.0, fits)
    assert soup.cook(fits, photo_folder, tmp_path)["shares"] == {str(fits[1]): 1.0}


def test_the_command_tastes_with_the_network_itself(fits: list[Path], photo_folder: Path, tmp_path: Path) -> None:
    arguments = ["soup", *map(str, fits), "--data", str(photo_folder), "--out", str(tmp_path)]
    shown = CliRunner().invoke(__main__.app, arguments, catch_exceptions=False)
    assert shown.exit_code == 0 and "validation 6/6 = 100.00%" in shown.output


def test_shares_that_are_given_are_taken_as_they_are(fits: list[Path], photo_folder: Path, tmp_path: Path) -> None:
    arguments = ["soup", *map(str, fits), "--share", "0.25", "--share", "0.75", "--data", str(photo_folder)]
    shown = CliRunner().invoke(__main__.app, [*arguments, "--out", str(tmp_path)], catch_exceptions=False)
    for share, run in (("25%", fits[0]), ("75%", fits[1])):
        assert f"{share}  {run}: validation 6/6 = 100.00%" in shown.output
    first, second, mean = (
        load_checkpoint(folder / "best.pt")[1]["state_dict"]["fc.weight"] for folder in (*fits, tmp_path)
    )
    assert torch.allclose(mean, torch.lerp(first, second, 0.75), atol=1e-7)
    assert json.loads((tmp_path / "soup.json").read_text())["histories"].keys() == set(map(str, fits))


@pytest.mark.parametrize("shares", [[1.0], [0.5, 0.6], [1.2, -0.2]])
def test_shares_that_do_not_add_up_are_refused(
    fits: list[Path], photo_folder: Path, tmp_path: Path, shares: list[float]
) -> None:
    with pytest.raises(ConfigError, match="expected one above 0 for each, adding up to 1"):
        soup.cook(fits, photo_folder, tmp_path / "out", shares)


def test_another_size_of_the_input_is_judged_and_kept(fits: list[Path], photo_folder: Path, tmp_path: Path) -> None:
    shown: list[tuple[int, ...]] = []

    def load_inputs(*args: Any, **options: Any) -> Any:
        inputs = genuine(*args, **options)
        shown.append(inputs.shape)
        return inputs

    genuine = soup.load_inputs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soup, "load_inputs", load_inputs)
        soup.cook(fits, photo_folder, tmp_path, [0.5, 0.5], size_px=64)
    content = load_checkpoint(tmp_path / "best.pt")[1]
    assert content["preprocessing"]["size_px"] == content["config"]["preprocessing"]["size_px"] == 64
    assert shown == [(6, 64, 64, 3)]
    assert load_checkpoint(fits[0] / "best.pt")[1]["preprocessing"]["size_px"] != 64


def test_one_fit_is_no_soup(fits: list[Path], photo_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found 1 fit; a mean needs at least two"):
        soup.cook(fits[:1], photo_folder, tmp_path)


def test_fits_of_other_photographs_or_another_split_are_refused(
    fits: list[Path], photo_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(fits[1], tmp_path / "other"))
    parts = json.loads((other / "split.json").read_text())
    parts["train"], parts["test"] = parts["train"][1:], [*parts["test"], parts["train"][0]]
    (other / "split.json").write_text(json.dumps(parts))
    with pytest.raises(ConfigError, match=r"split\.json is another"):
        soup.cook([fits[0], other], photo_folder, tmp_path / "out")
    content = load_checkpoint(fits[1] / "best.pt")[1]
    torch.save({**content, "labels": ["a", "b", "c"]}, other / "best.pt")
    with pytest.raises(ConfigError, match="its labels is"):
        soup.cook([fits[0], other], photo_folder, tmp_path / "out")
    elsewhere = Path(shutil.copytree(photo_folder, tmp_path / "elsewhere"))
    (elsewhere / "blue" / "blue0.png").write_bytes((elsewhere / "red" / "red0.png").read_bytes())
    with pytest.raises(ConfigError, match="the fits are of other photographs"):
        soup.cook(fits, elsewhere, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_counters_are_not_averaged() -> None:
    assert soup._between(torch.tensor(7), torch.tensor(9), 0.5) == 7
    assert np.allclose(soup._between(torch.tensor([1.0]), torch.tensor([3.0]), 0.25), [1.5])
