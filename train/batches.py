"""Training crops in batches, made by worker processes while the network learns from the ones before.

A crop depends on (seed, epoch, its place in the epoch) alone: neither the number of workers nor an interruption
changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from train.augment import draw_epoch
from train.crops import CropMaker
from train.distributed import World


@dataclass(frozen=True)
class Epoch(Dataset[tuple[Tensor, int]]):
    """One pass: place i shows a crop of photograph order[i]."""

    maker: CropMaker
    order: NDArray[np.int64]  # (P,): the places of this process
    places: NDArray[np.int64]  # (P,): their numbers in the whole epoch
    crop_px: int
    seed: tuple[int, int]  # of the fit, number of the epoch

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        rng = np.random.default_rng([*self.seed, int(self.places[place])])
        crop, target = self.maker.make(int(self.order[place]), self.crop_px, rng)
        return torch.from_numpy(np.ascontiguousarray(crop)), target  # (S, S, 3) uint8


def batches(
    maker: CropMaker,
    *,
    batch: int,
    crop_px: int,
    seed: tuple[int, int],
    class_balance: float,
    workers: int,
    world: World,
) -> tuple[int, Iterator[tuple[Tensor, Tensor]]]:
    """The number of batches of one epoch, and (pixels (B, S, S, 3) uint8, targets (B,) int64) of each.

    `batch` counts over all processes: each takes every size-th place of every batch, so that they have the same
    number of batches, and the same photographs are seen together however many processes there are. Places that do
    not divide evenly are left out at the end of the epoch.
    """
    order = draw_epoch(maker.targets, class_balance, np.random.default_rng(seed))
    if world.size > 1:
        order = order[: len(order) // world.size * world.size]
    places = np.arange(world.rank, len(order), world.size)
    epoch = Epoch(maker, order[places], places, crop_px, seed)
    loader: DataLoader[tuple[Tensor, int]] = DataLoader(
        epoch,
        batch_size=max(1, batch // world.size),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if workers else None,  # the photographs are shared, not copied
    )
    return len(loader), iter(loader)
