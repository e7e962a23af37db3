"""The network: torchvision's ResNet with its first weights, a new head, and batch norm that never moves."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge.errors import ConfigError
from train.checkpoint import FORMAT
from train.config import Block, ModelConfig
from train.torchvision_compat import models

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def build(arch: str, stem: str, classes: int) -> nn.Module:
    """An untrained network with `classes` outputs, in eval mode."""
    model: nn.Module = getattr(models, arch)(weights=None, num_classes=classes)
    if stem == "relu6":
        model.relu = nn.ReLU6(inplace=True)  # in torchvision's ResNet `relu` is the stem's alone
    return model.to(memory_format=torch.channels_last).eval()


def pretrained(config: ModelConfig, classes: int, weights_file: Path | None) -> tuple[nn.Module, str, str]:
    """The network with ImageNet features and a zero head; its stem; the sha256 of the weights.

    Raises:
        ConfigError: the file cannot be read or does not fit, or torchvision's weights cannot be downloaded.
    """
    state = _read_weights(weights_file) if weights_file else _download_weights(config)
    stem = config.file_stem if weights_file else "relu"
    model = build(config.arch, stem, classes)
    body = {name: tensor.float() for name, tensor in state.items() if not name.startswith("fc.")}
    _load_body(model, body, source=str(weights_file or config.torchvision_weights), arch=config.arch)
    nn.init.zeros_(model.fc.weight)
    nn.init.zeros_(model.fc.bias)
    return model, stem, state_sha256(body)


def _load_body(model: nn.Module, body: dict[str, Tensor], *, source: str, arch: str) -> None:
    """All weights but the head's; a name too many or too few means that the file is of another network."""
    try:
        loaded = model.load_state_dict(body, strict=False)
    except RuntimeError as error:  # a shape differs
        raise ConfigError(f"{source}: not {arch} weights: {error}") from None
    optional = ("fc.weight", "fc.bias")
    missing = [n for n in loaded.missing_keys if n not in optional and not n.endswith("num_batches_tracked")]
    if missing or loaded.unexpected_keys:
        raise ConfigError(
            f"{source}: not {arch} weights: missing {missing[:2]} ({len(missing)} in all), unknown "
            f"{loaded.unexpected_keys[:2]} ({len(loaded.unexpected_keys)}); expected torchvision's names"
        )


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load has none of its own: pickle, zip, OS, runtime errors all occur
        raise ConfigError(f"{path}: cannot be read as a torch state dict: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"{path}: expected a state dict (parameter name → tensor)")
    return state


def _download_weights(config: ModelConfig) -> dict[str, Tensor]:
    weights = models.get_model_weights(config.arch)[config.torchvision_weights]
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    except OSError as error:
        raise ConfigError(
            f"cannot download {weights.url}: {error}; fetch it elsewhere and give it as --weights FILE "
            "(with file_stem: relu in the config)"
        ) from None


def state_sha256(state: dict[str, Tensor]) -> str:
    """sha256 over names and float32 bytes in name order: the same for a copy in another container."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def stages(model: nn.Module) -> OrderedDict[Block, nn.Module]:
    """The network in order, cut where freezing may end: stem, layer1 … layer4, fc."""
    return OrderedDict(
        stem=nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool),
        layer1=model.layer1,
        layer2=model.layer2,
        layer3=model.layer3,
        layer4=model.layer4,
        fc=nn.Sequential(model.avgpool, nn.Flatten(1), model.fc),
    )


@dataclass(frozen=True)
class Seam:
    """Channels between two convolutions of one block: nothing else of the network sees them, so any may be left out.

    Names as in a state dict: "layer1.0.conv1", the batch norm that follows it, the convolution that reads both.
    """

    giver: str
    norm: str
    taker: str


def seams(model: nn.Module) -> list[Seam]:
    """In the order of the network: one in a block of two convolutions (ResNet18), two in one of three (ResNet50)."""
    found = []
    for layer in ("layer1", "layer2", "layer3", "layer4"):
        for index, block in model.get_submodule(layer).named_children():
            numbers = [name.removeprefix("conv") for name, _ in block.named_children() if name.startswith("conv")]
            for giver, taker in pairwise(f"{layer}.{index}.conv{number}" for number in numbers):
                found.append(Seam(giver, giver.replace("conv", "bn"), taker))
    return found


def take_widths(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give each seam as many channels as `state` has there: fewer than torchvision's after `python -m train prune`."""
    for seam in seams(model):
        weight = state.get(f"{seam.giver}.weight")
        if weight is None or len(weight) == model.get_submodule(seam.giver).out_channels:
            continue
        giver, taker = model.get_submodule(seam.giver), model.get_submodule(seam.taker)
        model.set_submodule(seam.giver, _resized(giver, giver.in_channels, len(weight)))
        model.set_submodule(seam.norm, nn.BatchNorm2d(len(weight)))
        model.set_submodule(seam.taker, _resized(taker, len(weight), taker.out_channels))
    model.to(memory_format=torch.channels_last).eval()


def _resized(conv: nn.Module, inputs: int, outputs: int) -> nn.Conv2d:
    assert isinstance(conv, nn.Conv2d)
    return nn.Conv2d(inputs, outputs, conv.kernel_size, conv.stride, conv.padding, bias=False)


def folded(block: nn.Module) -> nn.Module:
    """A copy of a block in which every convolution has taken in the batch norm that follows it. For inference alone.

    The same function with a third of the memory traffic: frozen batch norm is a multiplication and an addition.
    """
    copied = copy.deepcopy(block)
    for module in list(copied.modules()):
        children = dict(module.named_children())
        if isinstance(module, nn.Sequential):
            pairs = list(pairwise(children))
        else:
            pairs = [(name, name.replace("conv", "bn")) for name in children if name.startswith("conv")]
        for conv, norm in pairs:
            if isinstance(children[conv], nn.Conv2d) and isinstance(children.get(norm), nn.BatchNorm2d):
                setattr(module, conv, fuse_conv_bn_eval(children[conv], children[norm]))
                setattr(module, norm, nn.Identity())
    return copied.to(memory_format=torch.channels_last).requires_grad_(False)


def normalise(pixels: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 RGB → (B, 3, H, W) float32, channels last in memory, on the device of `pixels`."""
    mean = torch.tensor(IMAGENET_MEAN, device=pixels.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, device=pixels.device).view(1, 3, 1, 1) * 255
    return (pixels.permute(0, 3, 1, 2).float() - mean) / std


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Take batch norm's statistics anew: the plain mean over `batches`, each (B, S, S, 3) uint8 (Li et al. 2017)."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the cumulative mean
        norm.train()
    for pixels in batches:
        model(normalise(pixels))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def load_checkpoint(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a checkpoint (format: train/checkpoint.py) in eval mode, and the checkpoint's dict.

    Raises:
        ConfigError: not such a checkpoint, or one of another format.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # see _read_weights
        raise ConfigError(f"{path}: cannot be read as a checkpoint: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or "arch" not in content:
        raise ConfigError(f"{path}: not a checkpoint of format {FORMAT}; expected best.pt or phase1.pt of a fit")
    model = build(content["arch"], content["stem"], len(content["labels"]))
    take_widths(model, content["state_dict"])
    model.load_state_dict(content["state_dict"])
    return model, content
