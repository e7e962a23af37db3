"""Phase 2: one step, one epoch, and the state an interrupted fit continues from."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from train.batches import batches
from train.checkpoint import plain_state
from train.config import FinetuneConfig
from train.crops import CropMaker
from train.distributed import World, mixed
from train.mixing import mix, soft_targets
from train.model import folded, normalise, stages
from train.schedule import Schedule, optimiser_of


@dataclass
class Progress:
    """How far a fit has come."""

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    stale_epochs: int = 0

    def note(self, train: dict[str, Any], validation: dict[str, float] | None) -> bool:
        """Book one epoch; True when its validation is the best so far (more right, then lower nll).

        None: it was not validated.
        Where validation was also shown on other trays ("composed_right", "composed_nll") both count alike.
        """
        self.epoch += 1
        shown = {f"validation_{k}": v for k, v in (validation or {}).items()}
        self.history.append({"epoch": self.epoch, **train, **shown})
        if validation is None or (self.best and self.rank(validation) <= self.rank(self.best)):
            self.stale_epochs += 1
            return False
        self.stale_epochs = 0
        self.best = dict(validation)
        return True

    @staticmethod
    def rank(validation: dict[str, float]) -> tuple[float, float]:
        """Larger is better."""
        right = validation["right"] + validation.get("composed_right", 0.0)
        return right, -(validation["nll"] + validation.get("composed_nll", 0.0))


class Finetuner:
    """Trains `model` in place; `average` is the exponential moving average that is validated and kept."""

    def __init__(
        self,
        model: nn.Module,
        config: FinetuneConfig,
        *,
        seed: int,
        photos: int,
        world: World,
        precision: torch.dtype,
        teachers: Sequence[nn.Module] = (),
    ) -> None:
        self.model, self.config, self.seed, self.world, self.precision = model, config, seed, world, precision
        self.average = copy.deepcopy(model)
        self.teachers = [nn.Sequential(*(folded(block) for block in stages(each).values())) for each in teachers]
        self.schedule = Schedule(config, math.ceil(photos // world.size / max(1, config.batch // world.size)))
        self.optimiser = optimiser_of(stages(model), config)
        self.step = 0
        self.progress = Progress()
        self._enter_stage(0)

    def _enter_stage(self, index: int) -> None:
        """Blocks below the lowest learning one are frozen: folded into fewer operations, without gradients."""
        self.stage = index
        blocks, learning = stages(self.model), self.config.stages[index].rates
        for name, block in blocks.items():
            block.requires_grad_(name in learning)
        frozen = [block for name, block in blocks.items() if name not in learning]
        self._frozen = nn.Sequential(*(folded(block) for block in frozen))
        self._learning = self.world.share(nn.Sequential(*(b for name, b in blocks.items() if name in learning)))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, S, S, 3) uint8 → logits (B, K) float32; the frozen part keeps nothing for the backward pass."""
        with self._mixed():
            with torch.no_grad():
                x = self._frozen(normalise(pixels))
            return self._learning(x).float()

    def _mixed(self) -> torch.autocast:
        return mixed(self.world.device, self.precision)

    def train_epoch(self, maker: CropMaker, *, workers: int) -> dict[str, Any]:
        """One pass over the training photographs: mean loss, accuracy on the crops, time spent."""
        epoch, stage = self.progress.epoch, self.schedule.stage_of(self.progress.epoch)
        if stage != self.stage:
            self._enter_stage(stage)
        plan = self.config.stages[stage]
        count, drawn = batches(
            replace(maker, config=self.config.augment_of(plan)), batch=self.config.batch, crop_px=plan.crop_px,
            seed=(self.seed, epoch), class_balance=self.config.class_balance, workers=workers, world=self.world,
        )  # fmt: skip
        rng = np.random.default_rng([self.seed, epoch, 1 << 32, self.world.rank])  # no crop's place is that large
        loss_sum, right, shown, started_s = 0.0, 0, 0, time.monotonic()
        title = f"epoch {epoch + 1}/{self.config.epochs}"
        bar = tqdm(drawn, total=count, desc=title, unit="step", disable=not self.world.first)
        for pixels, wanted in bar:
            loss, logits = self._learn(pixels.to(self.world.device), wanted.to(self.world.device), rng)
            loss_sum, shown = loss_sum + loss * len(wanted), shown + len(wanted)
            right += int((logits.argmax(dim=1).cpu() == wanted).sum())
            bar.set_postfix(loss=f"{loss:.3f}")
        loss_sum, right_all, shown_all = self.world.total([loss_sum, right, shown])
        return {
            "stage": stage + 1,
            "loss": loss_sum / shown_all,
            "accuracy": right_all / shown_all,
            "seconds": time.monotonic() - started_s,
        }

    def _learn(self, pixels: Tensor, wanted: Tensor, rng: np.random.Generator) -> tuple[float, Tensor]:
        """One step on (B, S, S, 3) uint8 and (B,); the loss, and the logits before the step."""
        self.schedule.apply(self.optimiser, self.step)
        classes = self.model.fc.out_features
        plan = self.config.mix if self.config.stages[self.stage].mix else None
        pixels, targets = mix(pixels, soft_targets(wanted, classes, self.config.label_smoothing), plan, rng)
        logits = self.forward(pixels)
        loss = functional.cross_entropy(logits, targets)
        if self.config.distill is not None:
            weight = self.config.distill.weight
            loss = (1 - weight) * loss + weight * self._distance_to_teachers(pixels, logits)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss.item()} in epoch {self.progress.epoch + 1}; lower the rates"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.step += 1
        self._update_average()
        return loss.item(), logits.detach()

    def _distance_to_teachers(self, pixels: Tensor, logits: Tensor) -> Tensor:
        """KL(teachers ‖ student) at a temperature T, times T²: gradients of the labels' size (Hinton et al. 2015).

        Several teachers answer with the mean of their probabilities.
        """
        assert self.teachers and self.config.distill is not None
        t = self.config.distill.temperature
        with torch.no_grad(), self._mixed():
            x = normalise(pixels)
            answers = [functional.softmax(teacher(x).float() / t, dim=1) for teacher in self.teachers]
        wanted = torch.stack(answers).mean(dim=0)  # (B, K)
        return t * t * functional.kl_div(functional.log_softmax(logits / t, dim=1), wanted, reduction="batchmean")

    @torch.no_grad()
    def _update_average(self) -> None:
        """Early on a shorter memory, so that the average does not hang on to the first weights."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step)) if self.config.ema_decay else 0.0
        pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
        kept, now = zip(*((a, m) for a, m in pairs if m.requires_grad), strict=True)
        torch._foreach_lerp_(list(kept), list(now), 1 - decay)

    def logits(self, inputs: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 → (N, K) float32, from the averaged weights, in the precision of the fit."""
        network = nn.Sequential(*(folded(block) for block in stages(self.average).values()))
        with self._mixed():
            return predict(network, inputs, batch, self.world.device)

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as plain data and tensors."""
        return {
            "model": plain_state(self.model),
            "average": plain_state(self.average),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "progress": dict(vars(self.progress)),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where `state()` was taken."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        self.progress = Progress(**state["progress"])
        self._enter_stage(self.schedule.stage_of(self.progress.epoch))


@torch.inference_mode()
def predict(
    network: nn.Module, inputs: NDArray[np.uint8], batch: int, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """(N, S, S, 3) uint8 → logits (N, K) float32."""
    parts: Sequence[NDArray[np.float32]] = [
        network(normalise(torch.from_numpy(inputs[start : start + batch]).to(device))).float().cpu().numpy()
        for start in range(0, len(inputs), batch)
    ]
    return np.concatenate(parts)
