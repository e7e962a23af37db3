"""What validation says of a network that is not being fitted."""

from __future__ import annotations

from torch import nn

from train.config import TrainConfig
from train.data import Photos, load_inputs
from train.distributed import World, mixed, mixed_precision
from train.finetune import predict
from train.loop import figures_of
from train.material import composed_inputs
from train.model import folded, stages


def validated(network: nn.Module, photos: Photos, config: TrainConfig, world: World) -> dict[str, float]:
    """Figures as a fit has them: of the photographs on their own board and, where the config has scenes, on others."""
    inputs = load_inputs(photos, config.preprocessing, progress="decode validation")
    composed = composed_inputs(photos, config, world=world)
    fast = nn.Sequential(*(folded(block) for block in stages(network).values()))
    with mixed(world.device, mixed_precision(config.precision, world.device)):
        own, other = (
            None if x is None else predict(fast, x, config.features.batch, world.device) for x in (inputs, composed)
        )
    assert own is not None
    return figures_of(own, other, photos.targets)
