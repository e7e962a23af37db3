"""Structured pruning: whole channels that the answers need least are left out, so that every runtime does less work.

What a channel is worth is the first-order Taylor estimate of Molchanov et al. 2019 ("Importance Estimation for Neural
Network Pruning"): the square of what the loss would change, were the channel's batch norm to give nothing. Only
channels inside a block go (train/model.py, `seams`): those that blocks hand on to each other are added up, and stay.
They go in groups of GROUP, the unit in which runtimes fill their vectors, those first that save the most
multiply-adds for what they are worth.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from edge.errors import ConfigError
from train.checkpoint import git_commit, plain_state, save_atomically
from train.config import TrainConfig, parse_config
from train.crops import CropMaker
from train.data import Photos, data_sha256, scan
from train.distributed import joined, mixed, mixed_precision
from train.material import crop_maker
from train.mixing import soft_targets
from train.model import (
    Seam,
    build,
    load_checkpoint,
    normalise,
    reestimate_batch_norm,
    seams,
    state_sha256,
    take_widths,
)
from train.validate import validated

GROUP = 32
BATCH = 16


def prune(checkpoint: Path, data: Path, out: Path, *, keep: float, crops: int = 1536) -> dict[str, Any]:
    """Write best.pt, split.json and pruned.json to `out`; returns what pruned.json says.

    The network needs `keep` of the multiply-adds of the one in `checkpoint`, or a little less. Its batch norm is taken
    anew, its weights are not: fine-tune it (`python -m train fit --start`), with the checkpoint as its teacher.
    crops: training crops by which the channels are judged.

    Raises:
        ConfigError: no such checkpoint, the photographs are not its own, or not so much can go.
    """
    network, content = load_checkpoint(checkpoint)
    photos = scan(data)
    if (found := data_sha256(photos)) != content["provenance"]["data_sha256"]:
        raise ConfigError(f"{data}: sha256 {found[:12]}…, the fit is of other photographs; give its own with --data")
    config = parse_config(content["config"], source=str(checkpoint))
    size_px = config.preprocessing.size_px
    parts = json.loads(checkpoint.with_name("split.json").read_text(encoding="utf-8"))
    with joined(config.threads) as world:
        maker = crop_maker(Photos(data, photos.labels, tuple(parts["train"])), config, world=world)
        network.to(world.device)
        worth = channel_worth(network, maker, config, crops=crops)
        kept = choose(worth, Work.of(network, size_px), keep)
        pruned = without(network, content, kept).to(world.device)
        rng = np.random.default_rng([config.seed, 2])
        drawn = (_crops(maker, size_px, 64, rng)[0] for _ in range(max(1, crops // 64)))
        reestimate_batch_norm(pruned, (batch.to(world.device) for batch in drawn))
        validation = Photos(data, photos.labels, tuple(parts["validation"]))
        figures = validated(pruned, validation, config, world)
    said = {
        "multiply_adds": {"before": Work.of(network, size_px).total, "after": Work.of(pruned, size_px).total},
        "widths": {seam.giver: len(rows) for seam, rows in kept.items()},
        "validation": figures,
    }
    provenance = content["provenance"] | {
        "git_commit": git_commit(), "start_sha256": state_sha256(network.state_dict()), "validation": figures,
    }  # fmt: skip
    save_atomically({**content, "state_dict": plain_state(pruned), "provenance": provenance}, out / "best.pt")
    shutil.copyfile(checkpoint.with_name("split.json"), out / "split.json")
    (out / "pruned.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return said


def channel_worth(network: nn.Module, maker: CropMaker, config: TrainConfig, *, crops: int) -> dict[Seam, Tensor]:
    """For each seam the worth of its channels, (C,) float32: mean over batches of (dloss/dgate)²."""
    rng, classes = np.random.default_rng([config.seed, 1]), network.get_submodule("fc").out_features
    device = next(network.parameters()).device
    worth = {seam: torch.zeros(len(network.get_parameter(f"{seam.norm}.weight"))) for seam in seams(network)}
    network.requires_grad_(True)
    for _ in tqdm(range(max(1, crops // BATCH)), desc="worth of channels", unit="batch"):
        pixels, wanted = _crops(maker, config.preprocessing.size_px, BATCH, rng)
        targets = soft_targets(wanted.to(device), classes, config.finetune.label_smoothing)
        network.zero_grad(set_to_none=True)
        with mixed(device, mixed_precision(config.precision, device)):
            logits = network(normalise(pixels.to(device)))
        functional.cross_entropy(logits.float(), targets).backward()
        for seam, sums in worth.items():
            # A gate g behind a batch norm scales its weight and bias alike: dL/dg = w·dL/dw + b·dL/db.
            scale, shift = (network.get_parameter(f"{seam.norm}.{name}") for name in ("weight", "bias"))
            assert scale.grad is not None and shift.grad is not None
            sums += (scale * scale.grad + shift * shift.grad).detach().square().cpu()
    network.requires_grad_(False)
    return worth


def _crops(maker: CropMaker, crop_px: int, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """(count, crop_px, crop_px, 3) uint8 and (count,) int64."""
    made = [maker.make(int(i), crop_px, rng) for i in rng.integers(len(maker.targets), size=count)]
    return torch.from_numpy(np.stack([crop for crop, _ in made])), torch.tensor([target for _, target in made])


@dataclass(frozen=True)
class Work:
    """Multiply-adds of a network for one picture.

    convolutions: name → (input channels, output channels, multiply-adds of one input and one output channel).
    """

    convolutions: dict[str, tuple[int, int, int]]

    @classmethod
    @torch.no_grad()
    def of(cls, network: nn.Module, size_px: int) -> Work:
        """Counted while a picture of size_px × size_px passes."""
        found: dict[str, tuple[int, int, int]] = {}

        def note(name: str) -> Any:
            def hook(conv: nn.Conv2d, _: Any, output: Tensor) -> None:
                taps = math.prod(conv.kernel_size) * output.shape[2] * output.shape[3]
                found[name] = conv.in_channels, conv.out_channels, taps

            return hook

        convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
        hooks = [module.register_forward_hook(note(name)) for name, module in convolutions.items()]
        network(torch.zeros(1, 3, size_px, size_px, device=next(network.parameters()).device))
        for hook in hooks:
            hook.remove()
        return cls(found)

    @property
    def total(self) -> int:
        """Of all convolutions; the classifier's are one in ten thousand."""
        return sum(math.prod(numbers) for numbers in self.convolutions.values())

    def without(self, seam: Seam, channels: int) -> Work:
        """The same with that many channels fewer in a seam."""
        left = dict(self.convolutions)
        inputs, outputs, taps = left[seam.giver]
        left[seam.giver] = inputs, outputs - channels, taps
        inputs, outputs, taps = left[seam.taker]
        left[seam.taker] = inputs - channels, outputs, taps
        return Work(left)


def choose(worth: dict[Seam, Tensor], work: Work, keep: float) -> dict[Seam, Tensor]:
    """The channels of each seam that stay, ascending, (C',) int64.

    Raises:
        ConfigError: every seam is down to its last group, and still too much is left.
    """
    order = {seam: values.argsort() for seam, values in worth.items()}  # the least worth first
    gone = dict.fromkeys(worth, 0)
    most = keep * work.total
    while work.total > most:
        offers = []
        for seam, ascending in order.items():
            start, end = gone[seam], gone[seam] + GROUP
            if len(ascending) - end < GROUP:
                continue
            saved = work.total - work.without(seam, GROUP).total
            offers.append((float(worth[seam][ascending[start:end]].sum()) / saved, seam))
        if not offers:
            raise ConfigError(
                f"keep {keep:g}: with {GROUP} channels in every place {work.total / 1e9:.2f} G multiply-adds remain, "
                f"asked for are {most / 1e9:.2f} G"
            )
        _, cheapest = min(offers, key=lambda offer: offer[0])
        gone[cheapest] += GROUP
        work = work.without(cheapest, GROUP)
    return {seam: ascending[gone[seam] :].sort().values for seam, ascending in order.items()}


def without(network: nn.Module, content: dict[str, Any], kept: dict[Seam, Tensor]) -> nn.Module:
    """A copy of the network of a checkpoint's `content` with these channels only."""
    state = plain_state(network)
    for seam, rows in kept.items():
        state[f"{seam.giver}.weight"] = state[f"{seam.giver}.weight"][rows]
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{seam.norm}.{name}"] = state[f"{seam.norm}.{name}"][rows]
        state[f"{seam.taker}.weight"] = state[f"{seam.taker}.weight"][:, rows]
    pruned = build(content["arch"], content["stem"], len(content["labels"]))
    take_widths(pruned, state)
    pruned.load_state_dict(state)
    return pruned
