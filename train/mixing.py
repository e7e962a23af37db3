"""Targets as distributions, and two photographs in one: mixup and CutMix."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from train.config import MixConfig

EMPTY = -1
"""The target of a crop that shows no item."""


def soft_targets(targets: Tensor, classes: int, smoothing: float) -> Tensor:
    """(B,) int64 → (B, K) float32 distributions.

    Label smoothing (Szegedy et al. 2016) spreads `smoothing` over all classes. An EMPTY crop's target is the uniform
    distribution (outlier exposure, Hendrycks et al. 2019): what is no item should be called nothing with confidence.
    """
    empty = targets == EMPTY
    hot = functional.one_hot(targets.clamp(min=0), classes).float()
    soft = hot * (1 - smoothing) + smoothing / classes
    soft[empty] = 1 / classes
    return soft


def mix(pixels: Tensor, targets: Tensor, config: MixConfig | None, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """(B, S, S, 3) uint8 and (B, K) → the same shapes, some batches mixed with themselves in another order."""
    if config is None or len(pixels) < 2 or rng.random() >= config.probability:
        return pixels, targets
    order = torch.from_numpy(rng.permutation(len(pixels))).to(pixels.device)
    kinds = [name for name, alpha in (("mixup", config.mixup_alpha), ("cutmix", config.cutmix_alpha)) if alpha > 0]
    if not kinds:
        return pixels, targets
    if kinds[rng.integers(len(kinds))] == "mixup":
        kept = float(rng.beta(config.mixup_alpha, config.mixup_alpha))
        blended = pixels.float() * kept + pixels[order].float() * (1 - kept)
        mixed = blended.round().to(torch.uint8)
    else:
        mixed, kept = _paste(pixels, order, float(rng.beta(config.cutmix_alpha, config.cutmix_alpha)), rng)
    return mixed, targets * kept + targets[order] * (1 - kept)


def _paste(pixels: Tensor, order: Tensor, kept: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """A rectangle of area 1 - kept from the other photograph; the share really kept, after clipping at the edge."""
    side = pixels.shape[1]
    half = 0.5 * side * (1 - kept) ** 0.5
    y, x = rng.uniform(0, side, 2)
    top, bottom = round(max(0.0, y - half)), round(min(side, y + half))
    left, right = round(max(0.0, x - half)), round(min(side, x + half))
    mixed = pixels.clone()
    mixed[:, top:bottom, left:right] = pixels[order, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / side**2
