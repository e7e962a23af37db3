"""Phase 2: the top blocks learn too. One epoch, one validation, one saved state, again.

`last.pt` holds everything an interrupted fit needs: networks, optimiser, schedule, generators, history. What
an epoch draws (order, crops, colours) depends on (seed, epoch) alone, so a resumed fit ends with the same
bits as one that was never interrupted.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from edge.domain import RgbImage
from edge.errors import ConfigError
from train.augment import augment, draw_epoch
from train.checkpoint import plain_state, save_atomically
from train.config import FinetuneConfig
from train.metrics import summarise
from train.model import normalise, stages


@dataclass
class FitData:
    """What phase 2 learns from and is judged by."""

    pictures: list[RgbImage]
    """N of (H, W, 3) uint8: training photographs before augmentation"""
    targets: NDArray[np.int64]
    """(N,)"""
    validation_inputs: NDArray[np.uint8]
    """(M, S, S, 3)"""
    validation_targets: NDArray[np.int64]
    """(M,)"""


@dataclass
class Progress:
    """How far a fit has come."""

    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    stale_epochs: int = 0

    def note(self, train: dict[str, float], validation: dict[str, float]) -> bool:
        """Book one epoch; True when its validation is the best so far (more right, then lower nll)."""
        self.epoch += 1
        self.history.append({"epoch": self.epoch, **train, **{f"validation_{k}": v for k, v in validation.items()}})
        rank = (validation["right"], -validation["nll"])
        better = not self.best or rank > (self.best["right"], -self.best["nll"])
        self.stale_epochs = 0 if better else self.stale_epochs + 1
        if better:
            self.best = dict(validation)
        return better


class Finetuner:
    """Trains `model` in place; `average` is the exponential moving average that is validated and kept."""

    def __init__(self, model: nn.Module, config: FinetuneConfig, *, seed: int, photos: int) -> None:
        self.model, self.config, self.seed = model, config, seed
        self.average = copy.deepcopy(model)
        self.steps_per_epoch = math.ceil(photos / config.batch)
        self.groups = _freeze_all_but(model, list(config.rates))
        self.optimiser = _optimiser(model, config)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate_factor)
        self.progress = Progress()

    def _rate_factor(self, step: int) -> float:
        """Share of the peak rate: up in a straight line, down along half a cosine to zero."""
        total = self.config.epochs * self.steps_per_epoch
        warmup = self.config.warmup_share * total
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, total - warmup))))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, S, S, 3) uint8 → logits (B, K); the frozen part keeps nothing for the backward pass."""
        with torch.no_grad():
            x = normalise(pixels)
            for stage in self.groups.frozen:
                x = stage(x)
        for stage in self.groups.learning:
            x = stage(x)
        return x

    def train_epoch(self, data: FitData) -> dict[str, float]:
        """One pass over the training photographs: mean loss, accuracy on the crops, time spent."""
        rng = np.random.default_rng([self.seed, self.progress.epoch])
        order = draw_epoch(data.targets, self.config.class_balance, rng)
        loss_sum, right, data_s, started_s = 0.0, 0, 0.0, time.monotonic()
        bar = tqdm(range(0, len(order), self.config.batch), desc=f"epoch {self.progress.epoch + 1}", unit="step")
        for start in bar:
            chosen = order[start : start + self.config.batch]
            loaded_s = time.monotonic()
            crops = np.stack([augment(data.pictures[i], self.config.augment, rng) for i in chosen])
            data_s += time.monotonic() - loaded_s
            targets = torch.from_numpy(data.targets[chosen])
            loss, logits = self._step(torch.from_numpy(crops), targets)
            loss_sum += loss * len(chosen)
            right += int((logits.argmax(dim=1) == targets).sum())
            bar.set_postfix(loss=f"{loss:.3f}")
        return {
            "loss": loss_sum / len(order),
            "accuracy": right / len(order),
            "seconds": time.monotonic() - started_s,
            "augment_seconds": data_s,
        }

    def _step(self, pixels: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        logits = self.forward(pixels)  # (B, K)
        loss = functional.cross_entropy(logits, targets, label_smoothing=self.config.label_smoothing)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss.item()} in epoch {self.progress.epoch + 1}; lower the rates"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        self._update_average()
        return loss.item(), logits.detach()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Early on a shorter memory, so that the average does not hang on to the first weights."""
        steps = self.schedule.last_epoch
        decay = min(self.config.ema_decay, (1 + steps) / (10 + steps)) if self.config.ema_decay else 0.0
        for kept, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
            if now.requires_grad:
                kept.lerp_(now, 1 - decay)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain data and tensors."""
        return {
            "model": plain_state(self.model),
            "average": plain_state(self.average),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "torch_generator": torch.get_rng_state(),
            "progress": dict(vars(self.progress)),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where `state()` was taken."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["torch_generator"])
        self.progress = Progress(**state["progress"])


@dataclass(frozen=True)
class _Groups:
    frozen: list[nn.Module]
    learning: list[nn.Module]


def _freeze_all_but(model: nn.Module, learning: list[str]) -> _Groups:
    """Blocks below the lowest learning one run without gradients; all above it must learn."""
    names = list(stages(model))
    first = min(names.index(name) for name in learning)
    if set(names[first:]) != set(learning):
        raise ConfigError(f"finetune.rates: found {learning}; expected every block from one up to fc: {names[first:]}")
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name in learning:
        for parameter in stages(model)[name].parameters():
            parameter.requires_grad_(True)
    modules = list(stages(model).values())
    return _Groups(modules[:first], modules[first:])


def _optimiser(model: nn.Module, config: FinetuneConfig) -> torch.optim.Optimizer:
    """AdamW, a rate for each block; no weight decay on vectors (biases, batch norm)."""
    groups = []
    for name, rate in config.rates.items():
        parameters = list(stages(model)[name].parameters())
        for decay, chosen in (
            (config.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups)


@torch.inference_mode()
def predict(model: nn.Module, inputs: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    """(N, S, S, 3) uint8 → logits (N, K) float32."""
    parts = []
    for start in range(0, len(inputs), batch):
        x = normalise(torch.from_numpy(inputs[start : start + batch]))
        parts.append(model(x).numpy())
    return np.concatenate(parts)


def run(tuner: Finetuner, data: FitData, *, out: Path, batch: int, fingerprint: dict[str, Any], keep_best: Any) -> None:
    """Epochs until the last, or until validation has not improved for `patience` of them.

    `keep_best(network, progress)` is called after each epoch that is the best so far, before last.pt is
    written. `fingerprint` is stored in last.pt: what a resumed fit must have in common with this one.
    """
    while tuner.progress.epoch < tuner.config.epochs and tuner.progress.stale_epochs < tuner.config.patience:
        figures = tuner.train_epoch(data)
        validation = summarise(predict(tuner.average, data.validation_inputs, batch), data.validation_targets)
        better = tuner.progress.note(figures, validation)
        print(
            f"epoch {tuner.progress.epoch}: loss {figures['loss']:.3f}, crops {figures['accuracy']:.1%}, "
            f"validation {validation['right']}/{validation['total']} = {validation['accuracy']:.2%}, "
            f"nll {validation['nll']:.3f}, {figures['seconds']:.0f} s"
            f" ({figures['augment_seconds']:.0f} s augmenting){' *' if better else ''}",
            flush=True,
        )
        if better:
            keep_best(tuner.average, tuner.progress)
        save_atomically({"fingerprint": fingerprint, **tuner.state()}, out / "last.pt")
