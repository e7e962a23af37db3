from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from edge.bundle import Bundle, load_bundle  # noqa: E402
from edge.errors import ConfigError  # noqa: E402
from export.checkpoint import Checkpoint, read_checkpoint  # noqa: E402
from export.pipeline import Order, export  # noqa: E402
from tests.bundles import with_file  # noqa: E402
from tests.export.samples import SIZE_PX  # noqa: E402
from train import __main__  # noqa: E402
from train.config import load_config  # noqa: E402
from train.model import normalise  # noqa: E402
from train.recover import give_statistics, recover, unfolded  # noqa: E402

PRUNED = Path(__file__).parents[2] / "configs" / "train" / "pruned.yaml"


@pytest.fixture(scope="module")
def bundle(first_order: Order) -> Bundle:
    return (
        export(first_order, lambda line: None).bundle if not first_order.out.exists() else load_bundle(first_order.out)
    )


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped config for ResNet18 and pictures without a board to cut them from."""
    settings: dict[str, Any] = yaml.safe_load(PRUNED.read_text())
    settings["model"]["arch"] = "resnet18"
    settings["threads"], settings["workers"] = 1, 0
    settings["data"]["memory_height_px"] = 48
    del settings["finetune"]["augment"]["scenes"]
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def answers(network: Any, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.asarray(network(normalise(torch.from_numpy(inputs))).numpy())


def test_a_float_bundle_gives_back_the_network_it_was_made_of(
    bundle: Bundle, checkpoint: Checkpoint, fp32_graph: Path, inputs: NDArray[np.uint8], tmp_path: Path
) -> None:
    whole = with_file(bundle, fp32_graph.read_bytes(), tmp_path)
    network = unfolded(whole, "resnet18", "relu6")
    assert np.abs(answers(network, inputs) - checkpoint.reference_logits(inputs)).max() < 1e-3


def test_an_int8_bundle_gives_back_a_network_that_answers_nearly_the_same(
    bundle: Bundle, checkpoint: Checkpoint, inputs: NDArray[np.uint8]
) -> None:
    expected = checkpoint.reference_logits(inputs)
    found = answers(unfolded(bundle, "resnet18", "relu6"), inputs)
    assert np.abs(found - expected).max() < 0.05 * np.ptp(expected)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9


def test_batch_norm_is_given_statistics_without_a_change_of_the_answers(
    bundle: Bundle, inputs: NDArray[np.uint8]
) -> None:
    network = unfolded(bundle, "resnet18", "relu6")
    before = answers(network, inputs)
    give_statistics(network, torch.from_numpy(inputs))
    assert np.allclose(answers(network, inputs), before, atol=1e-3)
    received = torch.nn.functional.conv2d(normalise(torch.from_numpy(inputs)), network.conv1.weight, None, 2, 3)
    assert torch.allclose(network.bn1.running_mean, received.mean(dim=(0, 2, 3)), atol=1e-4)
    assert torch.allclose(network.bn1.running_var, received.var(dim=(0, 2, 3), correction=0), rtol=1e-3)


def test_the_command_writes_a_checkpoint_that_can_be_exported_again(
    bundle: Bundle, photo_folder: Path, config_file: Path, inputs: NDArray[np.uint8], tmp_path: Path
) -> None:
    arguments = ["recover", str(bundle.path), "--data", str(photo_folder), "--config", str(config_file)]
    shown = CliRunner().invoke(__main__.app, [*arguments, "--out", str(tmp_path)], catch_exceptions=False)
    assert shown.exit_code == 0 and "validation" in shown.output
    again = read_checkpoint(tmp_path / "best.pt")
    assert again.header.preprocessing.size_px == SIZE_PX and (tmp_path / "split.json").is_file()
    expected = answers(unfolded(bundle, "resnet18", "relu6"), inputs)
    assert np.allclose(again.reference_logits(inputs), expected, atol=1e-2)


def test_a_bundle_of_another_network_is_refused_by_name(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match="not the graph of a resnet50"):
        unfolded(bundle, "resnet50", "relu6")


def test_photographs_of_other_classes_are_refused(bundle: Bundle, config_file: Path, tmp_path: Path) -> None:
    for label in ("bone", "glass"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes((bundle.path / "manifest.json").read_bytes())
    with pytest.raises(ConfigError, match="the bundle knows"):
        recover(bundle.path, tmp_path, tmp_path / "out", load_config(config_file))
