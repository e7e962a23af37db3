"""A fit that goes on from another one's network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import order, run_fit, small_settings  # noqa: E402
from train.fit import fit  # noqa: E402
from train.model import load_checkpoint  # noqa: E402


@pytest.fixture(scope="module")
def first(photo_folder: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    run_fit(small_settings(), photo_folder, weights_file, out)
    return out


def test_a_fit_goes_on_from_the_network_it_is_given(first: Path, photo_folder: Path, tmp_path: Path) -> None:
    begun = tmp_path / "second"
    fit(order(small_settings(), photo_folder, None, begun, start=first / "best.pt"))
    before, start = (load_checkpoint(path)[1] for path in (first / "best.pt", begun / "phase1.pt"))
    assert all(torch.equal(tensor, start["state_dict"][name]) for name, tensor in before["state_dict"].items())
    after = load_checkpoint(begun / "best.pt")[1]
    assert any(not torch.equal(tensor, after["state_dict"][name]) for name, tensor in before["state_dict"].items())
    assert after["provenance"]["weights_sha256"] == before["provenance"]["weights_sha256"]
    assert len(after["provenance"]["start_sha256"]) == 64 and before["provenance"]["start_sha256"] is None


def test_a_network_that_has_seen_what_judges_it_is_refused(first: Path, photo_folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(first, tmp_path / "other"))
    parts = json.loads((first / "split.json").read_text())
    parts["train"].append(parts["test"].pop())
    (other / "split.json").write_text(json.dumps(parts))
    with pytest.raises(ConfigError, match="was fitted to 1 photographs of this split's validation and test parts"):
        fit(order(small_settings(), photo_folder, None, tmp_path / "out", start=other / "best.pt"))
    (other / "split.json").unlink()
    with pytest.raises(ConfigError, match=r"split\.json: No such file"):
        fit(order(small_settings(), photo_folder, None, tmp_path / "out", start=other / "best.pt"))
    assert not (tmp_path / "out").exists()


def test_two_beginnings_are_refused(first: Path, photo_folder: Path, weights_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--start and --weights are two beginnings"):
        fit(order(small_settings(), photo_folder, weights_file, tmp_path / "out", start=first / "best.pt"))


def test_a_network_of_another_kind_is_refused(first: Path, photo_folder: Path, tmp_path: Path) -> None:
    settings = small_settings()
    settings["model"]["arch"] = "resnet50"
    with pytest.raises(ConfigError, match="a resnet18, the config asks for resnet50"):
        fit(order(settings, photo_folder, None, tmp_path / "out", start=first / "best.pt"))
