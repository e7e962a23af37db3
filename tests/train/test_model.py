from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from edge.errors import ConfigError  # noqa: E402
from train.config import BLOCKS, TrainConfig  # noqa: E402
from train.model import (  # noqa: E402
    IMAGENET_MEAN,
    IMAGENET_STD,
    build,
    folded,
    load_checkpoint,
    normalise,
    pretrained,
    reestimate_batch_norm,
    stages,
    state_sha256,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def lively(arch: str) -> nn.Module:
    """A network whose batch norm does something, as a trained one's does."""
    torch.manual_seed(0)
    model = build(arch, "relu6", 5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return model


def inputs() -> dict[str, Tensor]:
    """What each block of a ResNet18 is fed: for its tests alone."""
    torch.manual_seed(1)
    shapes = {"stem": (3, 64), "layer1": (64, 16), "layer2": (64, 16), "layer3": (128, 8), "layer4": (256, 4)}
    return {name: torch.randn(2, c, s, s) for name, (c, s) in shapes.items()}


@pytest.mark.parametrize("name", ["stem", "layer1", "layer2", "layer3", "layer4"])  # from layer2 on with a downsample
def test_a_folded_block_is_the_same_function_without_batch_norm(name: Any) -> None:
    block = stages(lively("resnet18"))[name]
    before = {key: value.clone() for key, value in block.state_dict().items()}
    fast = folded(block)
    with torch.no_grad():
        expected = block(inputs()[name])
        assert torch.allclose(fast(inputs()[name]), expected, atol=1e-4 * float(expected.abs().max()))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    assert all(torch.equal(value, before[key]) for key, value in block.state_dict().items()), (
        "the original is as it was"
    )
    assert all(parameter.requires_grad for parameter in block.parameters())


def test_a_folded_bottleneck_network_gives_the_same_answers() -> None:
    model = lively("resnet50")
    fast = nn.Sequential(*(folded(block) for block in stages(model).values()))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(fast(x), model(x), rtol=1e-4, atol=1e-4)


def test_the_stages_in_order_are_the_network_and_hold_every_parameter() -> None:
    model = lively("resnet18")
    blocks = stages(model)
    assert tuple(reversed(blocks)) == BLOCKS
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(nn.Sequential(*blocks.values())(x), model(x))
    held = [id(p) for block in blocks.values() for p in block.parameters()]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


def test_normalised_pixels_are_zero_at_imagenet_s_mean_and_channels_last() -> None:
    pixels = torch.zeros(2, 4, 5, 3, dtype=torch.uint8)
    pixels[1] = 255
    x = normalise(pixels)
    assert x.shape == (2, 3, 4, 5) and x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    assert x[0, :, 0, 0].numpy() == pytest.approx(-mean / std, rel=1e-5)
    assert x[1, :, 3, 4].numpy() == pytest.approx((1 - mean) / std, rel=1e-5)


def test_re_estimated_batch_norm_has_the_statistics_of_the_batches() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    weight, bias = model[0].weight.detach().clone(), model[0].bias.detach().clone()
    rng = np.random.default_rng(0)
    drawn = [torch.from_numpy(rng.integers(0, 256, (5, 9, 9, 3), dtype=np.uint8)) for _ in range(3)]
    reestimate_batch_norm(model, drawn)

    with torch.no_grad():
        fed = np.stack([model[0](normalise(pixels)).numpy() for pixels in drawn])  # (3, 5, 4, 7, 7)
    assert model[1].running_mean.numpy() == pytest.approx(fed.mean(axis=(1, 3, 4)).mean(axis=0), abs=1e-5)
    unbiased = fed.transpose(0, 2, 1, 3, 4).reshape(3, 4, -1).var(axis=2, ddof=1).mean(axis=0)
    assert model[1].running_var.numpy() == pytest.approx(unbiased, rel=1e-4)
    assert torch.equal(model[0].weight, weight) and torch.equal(model[0].bias, bias)


def test_re_estimation_leaves_batch_norm_in_eval_mode_with_its_momentum() -> None:
    model = lively("resnet18")
    reestimate_batch_norm(model, [torch.zeros(2, 32, 32, 3, dtype=torch.uint8)])
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}
    assert not any(module.training for module in model.modules())


def test_re_estimating_again_forgets_what_was_there() -> None:
    pixels = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    first, second = lively("resnet18"), lively("resnet18")
    reestimate_batch_norm(first, [pixels])
    reestimate_batch_norm(second, [torch.zeros_like(pixels)])
    reestimate_batch_norm(second, [pixels])
    assert state_sha256(first.state_dict()) == state_sha256(second.state_dict())


def test_first_weights_are_those_of_the_file_and_the_head_knows_nothing(
    settings: dict[str, Any], weights_file: Path
) -> None:
    model, stem, sha256 = pretrained(TrainConfig.model_validate(settings).model, 3, weights_file)
    state = torch.load(weights_file, weights_only=True)
    assert torch.equal(model.state_dict()["layer3.0.conv1.weight"], state["layer3.0.conv1.weight"].float())
    assert model.fc.weight.shape == (3, 512) and not model.fc.weight.any() and not model.fc.bias.any()
    assert stem == "relu6" and isinstance(model.relu, nn.ReLU6) and not isinstance(model.layer1[0].relu, nn.ReLU6)
    assert sha256 == state_sha256({n: t for n, t in state.items() if not n.startswith("fc.")})


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


@pytest.mark.parametrize("content", [b"no torch file", {"epoch": 1}, [1, 2]])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ConfigError, match=r"best\.pt: (cannot be read as a checkpoint|not a checkpoint of format 1)"):
        load_checkpoint(path)
