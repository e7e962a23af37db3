"""A checkpoint from a bundle: its weights, as near as int8 holds them, to prune or to fine-tune on a site's own items.

What ships is a bundle; the checkpoint it was made from, four times as large, does not. In a bundle every batch norm is
folded into the convolution before it. Here they are taken apart again, exactly: the statistics are those of training
crops, so that what takes them anew (`python -m train prune`) finds the network it expects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from edge.bundle import Bundle, load_bundle
from edge.errors import ConfigError
from train.checkpoint import FORMAT, git_commit, plain_state, save_atomically
from train.config import TrainConfig
from train.data import data_sha256, scan, write_split
from train.distributed import joined
from train.material import crop_maker, usable_split
from train.model import IMAGENET_MEAN, IMAGENET_STD, build, normalise, take_widths
from train.validate import validated

BATCH = 16
STAGES = {"0": "conv1", "3": "layer1", "4": "layer2", "5": "layer3", "6": "layer4"}
"""Places of a network's body in the exported graph, and what stands there (export/to_onnx.py)."""


def recover(folder: Path, data: Path, out: Path, config: TrainConfig, *, crops: int = 256) -> dict[str, float]:
    """Write best.pt and split.json to `out`; returns what validation says of the network.

    config: its `model` names the network and its first activation, its `data` the split. crops: training crops from
    which the statistics of batch norm are taken.

    Raises:
        BundleError: no bundle, or a damaged one.
        ConfigError: its network is not the config's, or the photographs have other labels.
    """
    bundle = load_bundle(folder)
    manifest, photos = bundle.manifest, scan(data)
    if list(photos.labels) != manifest.labels:
        raise ConfigError(f"{data}: photographs of {list(photos.labels)}; the bundle knows {manifest.labels}")
    config = config.model_copy(update={"preprocessing": manifest.preprocessing})
    network = unfolded(bundle, config.model.arch, config.model.file_stem)
    rng = np.random.default_rng(config.seed)
    with joined(config.threads) as world:
        split = usable_split(photos, config.data, world)
        maker = crop_maker(split.train, config, world=world)
        chosen = rng.integers(len(split.train), size=crops)
        drawn = np.stack([maker.make(int(i), manifest.preprocessing.size_px, rng)[0] for i in chosen])
        give_statistics(network, torch.from_numpy(drawn))
        figures = validated(network, split.validation, config, world)
    save_atomically(_content(bundle, network, config, data_sha256(photos), figures), out / "best.pt")
    write_split(split, out / "split.json")
    return figures


def unfolded(bundle: Bundle, arch: str, stem: str) -> nn.Module:
    """The bundle's network with torchvision's names, in eval mode; batch norm holds the biases, without statistics.

    Raises:
        ConfigError: the graph is not that of such a network.
    """
    found = _tensors(bundle)
    network = build(arch, stem, len(bundle.manifest.labels))
    state = network.state_dict()
    try:
        for name, value in found.items():
            place, kind = name.rsplit(".", 1)
            if place == "fc":
                state[name] = value.flatten(1) if kind == "weight" else value
            elif kind == "weight":
                state[name] = value
                norm = _norm_of(place)
                state[f"{norm}.running_mean"] = torch.zeros(len(value))
                state[f"{norm}.running_var"] = torch.ones(len(value))
                state[f"{norm}.weight"] = torch.full((len(value),), (1 + network.bn1.eps) ** 0.5)
                state[f"{norm}.bias"] = found[f"{place}.bias"]
        take_widths(network, state)
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{bundle.model_path}: not the graph of a {arch} as this project exports it: {reason}"
        ) from None
    return network


def _tensors(bundle: Bundle) -> dict[str, Tensor]:
    """Weights and biases of all convolutions under torchvision's names, float32; int8 ones multiplied out."""
    graph = onnx.load_from_string(bundle.read("model.onnx")).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and all(name in constants for name in node.input):
            quantized, scale, zero = (constants[name] for name in node.input)
            shape = (-1, *[1] * (quantized.ndim - 1)) if scale.size > 1 else ()
            steps = quantized.astype(np.float64) - zero.astype(np.float64).reshape(shape)
            name = node.output[0].removesuffix("_DequantizeLinear_Output")
            constants[name] = (steps * scale.astype(np.float64).reshape(shape)).astype(np.float32)
    return {
        _torchvision_name(name): torch.from_numpy(np.array(value, np.float32))
        for name, value in constants.items()
        if name.startswith(("body.", "head.")) and name.endswith((".weight", ".bias"))
    }


def _torchvision_name(name: str) -> str:
    """ "body.3.0.conv1.weight" is layer1.0.conv1.weight, "head.bias" fc.bias."""
    first, rest = name.split(".", 1)
    if first == "head":
        return f"fc.{rest}"
    place, rest = rest.split(".", 1)
    return f"{STAGES.get(place, place)}.{rest}"


def _norm_of(conv: str) -> str:
    return conv.removesuffix("0") + "1" if conv.endswith("downsample.0") else conv.replace("conv", "bn")


@torch.no_grad()
def give_statistics(network: nn.Module, pixels: Tensor) -> None:
    """Give each batch norm the mean and variance of what it receives from `pixels`, (N, S, S, 3) uint8.

    Its weight and bias take up the difference: the network computes what it did.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(2, norm.num_features, dtype=torch.float64) for norm in norms}

    def note(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        sums[norm] += torch.stack([x.mean(dim=(0, 2, 3)), x.square().mean(dim=(0, 2, 3))]) * len(x)

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    for part in pixels.split(BATCH):
        network(normalise(part))
    for hook in hooks:
        hook.remove()
    for norm, total in sums.items():
        mean, square = total / len(pixels)
        variance = (square - mean.square()).clamp(min=0)
        slope = norm.weight / (norm.running_var + norm.eps).sqrt()
        offset = norm.bias - slope * norm.running_mean
        norm.weight.copy_(slope * (variance + norm.eps).sqrt())
        norm.bias.copy_(offset + slope * mean)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


def _content(
    bundle: Bundle, network: nn.Module, config: TrainConfig, photos_sha256: str, figures: dict[str, float]
) -> dict[str, Any]:
    """The checkpoint, as train/checkpoint.py describes it."""
    asked, made_of = config.model_dump(mode="json"), bundle.manifest.provenance
    return {
        "format": FORMAT,
        "arch": config.model.arch,
        "stem": config.model.file_stem,
        "labels": bundle.manifest.labels,
        "state_dict": plain_state(network),
        "preprocessing": asked["preprocessing"],
        "normalisation": {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)},
        "config": asked,
        "provenance": {
            "data_sha256": photos_sha256,
            "split": config.data.split,
            "seed": config.seed,
            "weights_sha256": made_of.weights_sha256,
            "start_sha256": bundle.model_id.sha256,
            "teacher_sha256": [],
            "extra_sha256": [],
            "git_commit": git_commit(),
            "phase": 2,
            "epoch": 0,
            "validation": figures,
        },
    }
