"""Phase 2 from its first epoch to its last: train, validate, keep the best, save the state, again.

`last.pt` holds everything an interrupted fit needs: networks, optimiser, step, history. What an epoch draws (order,
crops, colours, mixing) depends on (seed, epoch) alone, so a resumed fit ends with the same bits as one that was never
interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from train.checkpoint import save_atomically
from train.crops import CropMaker
from train.finetune import Finetuner, Progress
from train.metrics import summarise


@dataclass(frozen=True, eq=False)
class FitData:
    """What phase 2 learns from and is judged by."""

    maker: CropMaker
    validation_inputs: NDArray[np.uint8]
    """(M, S, S, 3)"""
    composed_inputs: NDArray[np.uint8] | None
    """(M, S, S, 3): the same photographs on other trays; None where the config composes none"""
    validation_targets: NDArray[np.int64]
    """(M,)"""


def run(
    tuner: Finetuner,
    data: FitData,
    *,
    out: Path,
    batch: int,
    workers: int,
    fingerprint: dict[str, Any],
    keep_best: Callable[[nn.Module, Progress], None],
) -> None:
    """Epochs until the last, or until validation has not improved for `patience` of them.

    `keep_best(network, progress)` is called after each epoch that is the best so far, before last.pt is
    written. `fingerprint` is stored in last.pt: what a resumed fit must have in common with this one.
    """
    while tuner.progress.epoch < tuner.config.epochs and tuner.progress.stale_epochs < tuner.config.patience:
        figures = tuner.train_epoch(data.maker, workers=workers)
        epoch, plan = tuner.progress.epoch + 1, tuner.config
        # In every process: all must agree on when to stop.
        due = epoch % plan.validate_every == 0 or epoch == plan.epochs
        validation = _validate(tuner, data, batch) if due else None
        better = tuner.progress.note(figures, validation)
        if not tuner.world.first:
            continue
        print(_line(tuner.progress, figures, validation, better), flush=True)
        if better:
            keep_best(tuner.average, tuner.progress)
        save_atomically({"fingerprint": fingerprint, **tuner.state()}, out / "last.pt")
    tuner.world.wait()


def _validate(tuner: Finetuner, data: FitData, batch: int) -> dict[str, float]:
    composed = None if data.composed_inputs is None else tuner.logits(data.composed_inputs, batch)
    return figures_of(tuner.logits(data.validation_inputs, batch), composed, data.validation_targets)


def figures_of(
    own: NDArray[np.float32], composed: NDArray[np.float32] | None, targets: NDArray[np.int64]
) -> dict[str, float]:
    """`summarise` of logits (M, K) on the photographs' own board and, as "composed_…", on other trays."""
    figures = summarise(own, targets)
    if composed is not None:
        figures |= {f"composed_{name}": value for name, value in summarise(composed, targets).items()}
    return figures


def _line(progress: Progress, figures: dict[str, Any], validation: dict[str, float] | None, better: bool) -> str:
    judged = ""
    if validation is not None:
        composed = f", composed {validation['composed_right']}" if "composed_right" in validation else ""
        judged = (
            f"validation {validation['right']}/{validation['total']} = {validation['accuracy']:.2%}{composed}, "
            f"nll {validation['nll']:.3f}, "
        )
    return (
        f"epoch {progress.epoch} (stage {figures['stage']}): loss {figures['loss']:.3f}, "
        f"crops {figures['accuracy']:.1%}, {judged}{figures['seconds']:.0f} s{' *' if better else ''}"
    )
