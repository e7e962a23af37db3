"""How fast each block learns at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from train.config import BLOCKS, Block, FinetuneConfig, StageConfig


class Schedule:
    """Cosine over all stages, a warm-up at the start of each, a peak for each block and stage.

    A block that a stage does not name has rate zero there.
    """

    def __init__(self, config: FinetuneConfig, steps_per_epoch: int) -> None:
        self.config, self.steps_per_epoch = config, steps_per_epoch
        self.total_steps = config.epochs * steps_per_epoch

    def stage_of(self, epoch: int) -> int:
        """Index of the stage that epoch number `epoch` (from 0) belongs to."""
        end = 0
        for index, stage in enumerate(self.config.stages):
            end += stage.epochs
            if epoch < end:
                return index
        return len(self.config.stages) - 1

    def first_epoch(self, stage: int) -> int:
        """Number (from 0) of the first epoch of a stage."""
        return sum(s.epochs for s in self.config.stages[:stage])

    def factor(self, step: int) -> float:
        """Share of the peak rate at a step (from 0), 0..1 (Loshchilov and Hutter 2017, without restarts)."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.total_steps))
        stage = self.stage_of(step // self.steps_per_epoch)
        into_stage = step - self.first_epoch(stage) * self.steps_per_epoch
        warmup_steps = self.config.warmup_share * self.config.stages[stage].epochs * self.steps_per_epoch
        return cosine * min(1.0, (into_stage + 1) / (warmup_steps + 1))

    def apply(self, optimiser: torch.optim.Optimizer, step: int) -> float:
        """Set every group's rate for a step; returns the factor."""
        stage, factor = self.config.stages[self.stage_of(step // self.steps_per_epoch)], self.factor(step)
        for group in optimiser.param_groups:
            group["lr"] = factor * stage.rates.get(group["block"], 0.0)
        return factor


def optimiser_of(blocks: dict[Block, nn.Module], config: FinetuneConfig) -> torch.optim.Optimizer:
    """AdamW over every block that learns in any stage; no weight decay on vectors (biases, batch norm)."""
    groups = []
    for name in learning_blocks(config.stages):
        parameters = list(blocks[name].parameters())
        for decay, chosen in (
            (config.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            groups.append({"params": chosen, "lr": 0.0, "weight_decay": decay, "block": name})
    return torch.optim.AdamW(groups)


def learning_blocks(stages: Sequence[StageConfig]) -> list[Block]:
    """Blocks that learn in any of the stages, from the top down."""
    return [block for block in BLOCKS if any(block in stage.rates for stage in stages)]
