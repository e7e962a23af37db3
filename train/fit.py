"""A whole fit, top to bottom: data, phase 1, phase 2."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edge.errors import ConfigError
from train.checkpoint import FORMAT, git_commit, plain_state, save_atomically
from train.config import TrainConfig
from train.crops import CropMaker
from train.data import Photos, Split, data_sha256, load_inputs, scan, write_split
from train.distributed import World, joined, mixed_precision
from train.extra import extra_photographs
from train.finetune import Finetuner, Progress
from train.loop import FitData, run
from train.material import composed_inputs, crop_maker, usable_split
from train.model import IMAGENET_MEAN, IMAGENET_STD, load_checkpoint, pretrained, reestimate_batch_norm, state_sha256
from train.phases import cached_features, train_head

REESTIMATION_BATCHES = 24
"""Of 64 crops: some 1,500, after which ResNet50's statistics move by less than their noise."""


@dataclass(frozen=True)
class Order:
    """What is asked for.

    weights: ImageNet's; None downloads torchvision's. start: a checkpoint to go on from instead, without phase 1.
    teachers: checkpoints to distil from. extra: folders of photographs that only teach (train/extra.py).
    """

    config: TrainConfig
    data: Path
    weights: Path | None
    out: Path
    resume: bool = False
    teachers: tuple[Path, ...] = ()
    start: Path | None = None
    extra: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Run:
    """One fit's constants: what every checkpoint of it records."""

    config: TrainConfig
    out: Path
    split: Split
    stem: str
    data_sha256: str
    weights_sha256: str
    teacher_sha256: list[str]
    start_sha256: str | None
    extra: tuple[Photos, ...]

    @property
    def extra_sha256(self) -> list[str]:
        """Of each folder of photographs that only teach."""
        return [data_sha256(photos) for photos in self.extra]

    def fingerprint(self) -> dict[str, Any]:
        """What an interrupted fit and its continuation must have in common."""
        return {
            "config": self.config.model_dump(mode="json"),
            "data_sha256": self.data_sha256,
            "weights_sha256": self.weights_sha256,
            "teacher_sha256": self.teacher_sha256,
            "start_sha256": self.start_sha256,
            "extra_sha256": self.extra_sha256,
        }

    def save(self, name: str, model: nn.Module, *, phase: int, epoch: int, validation: dict[str, float]) -> None:
        """Write a checkpoint in the format of train/checkpoint.py."""
        save_atomically(
            {
                "format": FORMAT,
                "arch": self.config.model.arch,
                "stem": self.stem,
                "labels": list(self.split.train.labels),
                "state_dict": plain_state(model),
                "preprocessing": self.config.preprocessing.model_dump(mode="json"),
                "normalisation": {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)},
                "config": self.config.model_dump(mode="json"),
                "provenance": {
                    "data_sha256": self.data_sha256,
                    "split": self.config.data.split,
                    "seed": self.config.seed,
                    "weights_sha256": self.weights_sha256,
                    "start_sha256": self.start_sha256,
                    "teacher_sha256": self.teacher_sha256,
                    "extra_sha256": self.extra_sha256,
                    "git_commit": git_commit(),
                    "phase": phase,
                    "epoch": epoch,
                    "validation": validation,
                },
            },
            self.out / name,
        )


def fit(order: Order) -> Progress:
    """Train from ImageNet features to best.pt, phase1.pt and last.pt in `order.out`.

    Raises:
        ConfigError: the data, the weights or the run to resume cannot be used.
    """
    last = order.out / "last.pt"
    if last.exists() and not order.resume:
        raise ConfigError(f"{last} exists: continue it with --resume, or give another --out")
    if order.start and order.weights:
        raise ConfigError("--start and --weights are two beginnings: give one of them")
    if (order.config.finetune.distill is None) == bool(order.teachers):
        raise ConfigError("finetune.distill in the config and --teacher belong together: give both or neither")
    with joined(order.config.threads) as world:
        return _fit(order, world)


def finished(order: Order) -> bool:
    """Whether `order.out` holds this fit, complete.

    Raises:
        ConfigError: it holds another one.
    """
    if not (order.out / "history.json").exists():
        return False
    if load_checkpoint(order.out / "best.pt")[1]["config"] != order.config.model_dump(mode="json"):
        raise ConfigError(f"{order.out}: a fit by another config; remove it, or give another --out")
    return True


def speaks() -> bool:
    """Whether this process is the one of those that torchrun started that writes and speaks, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _fit(order: Order, world: World) -> Progress:
    config, out = order.config, order.out
    torch.manual_seed(config.seed)
    photos = scan(order.data)
    teachers = [_other(teacher, photos) for teacher in order.teachers]
    split = usable_split(photos, config.data, world)
    extra = extra_photographs(order.extra, split)
    model, stem, weights_sha256 = _first_weights(order, photos)
    this = Run(
        config, out, split, stem, data_sha256(photos), weights_sha256, [_sha256(teacher) for teacher in teachers],
        _sha256(model) if order.start else None, extra,
    )  # fmt: skip
    for other in (*order.teachers, *([order.start] if order.start else [])):
        _check_unseen(other, split)
    model.to(world.device)
    if world.first:
        print(
            f"{len(split.train)} training, {len(split.validation)} validation, {len(split.test)} test "
            f"photographs of {', '.join(photos.labels)}"
            + "".join(f"; {len(more)} more that only teach, from {more.root}" for more in extra)
        )
    maker = crop_maker(split.train, config, world=world, extra=extra)
    tuner = Finetuner(
        _starting_point(model, this, maker, world), config.finetune, seed=config.seed, photos=len(maker.targets),
        world=world, precision=mixed_precision(config.precision, world.device),
        teachers=[teacher.to(world.device) for teacher in teachers],
    )  # fmt: skip
    if order.resume and (out / "last.pt").exists():
        _resume(tuner, out / "last.pt", this)
    if world.first:  # not before: a refused resumption leaves everything as it is
        write_split(split, out / "split.json")
    shown = "decode validation" if world.first else None
    validation_inputs = load_inputs(split.validation, config.preprocessing, progress=shown)
    data = FitData(
        maker, validation_inputs,
        composed_inputs(split.validation, config, world=world), split.validation.targets,
    )  # fmt: skip

    def keep_best(network: nn.Module, progress: Progress) -> None:
        this.save("best.pt", network, phase=2, epoch=progress.epoch, validation=progress.best)

    run(
        tuner, data, out=out, batch=config.features.batch, workers=config.workers,
        fingerprint=this.fingerprint(), keep_best=keep_best,
    )  # fmt: skip
    if world.first:
        written = out / "history.json.tmp"  # renamed when whole: history.json says that the fit has ended
        written.write_text(json.dumps(tuner.progress.history, indent=1) + "\n", encoding="utf-8")
        written.replace(out / "history.json")
    return tuner.progress


def _starting_point(model: nn.Module, this: Run, maker: CropMaker, world: World) -> nn.Module:
    """The network after phase 1, made by the first process; read from phase1.pt where an interrupted fit left it."""
    written = this.out / "phase1.pt"
    if world.first and not (this.out / "last.pt").exists():
        validation = {}
        if this.start_sha256 is None:
            if this.config.finetune.batch_norm == "reestimated":
                reestimate_batch_norm(model, _crops(maker, this, world))
            validation = _phase1(model, this)
        this.save(written.name, model, phase=1, epoch=0, validation=validation)
    world.wait()
    model.load_state_dict(load_checkpoint(written)[0].state_dict())
    return model


def _crops(maker: CropMaker, this: Run, world: World) -> Iterator[Tensor]:
    """REESTIMATION_BATCHES of 64 training crops, (64, S, S, 3) uint8."""
    rng = np.random.default_rng([this.config.seed, 1 << 33])
    size = this.config.preprocessing.size_px
    for _ in range(REESTIMATION_BATCHES):
        chosen = rng.integers(len(maker.targets), size=64)
        crops = [maker.make(int(i), size, rng)[0] for i in chosen]
        yield torch.from_numpy(np.stack(crops)).to(world.device)


def _phase1(model: nn.Module, this: Run) -> dict[str, float]:
    """Features once (kept beside the runs), then the head."""
    config, sets = this.config, []
    for part, folders in (("training", (this.split.train, *this.extra)), ("validation", (this.split.validation,))):
        features = [
            cached_features(
                model, photos, config.preprocessing, config.features.batch, this.out.parent / "cache", part=part,
                precision=mixed_precision(config.precision, next(model.parameters()).device),
            )
            for photos in folders
        ]  # fmt: skip
        sets.append((torch.cat(features), torch.from_numpy(np.concatenate([photos.targets for photos in folders]))))
    return train_head(model, sets[0], sets[1], config.features, config.finetune.label_smoothing)


def _first_weights(order: Order, photos: Photos) -> tuple[nn.Module, str, str]:
    """The network to begin with, its stem, and the sha256 of the ImageNet weights it goes back to."""
    if order.start is None:
        return pretrained(order.config.model, len(photos.labels), order.weights)
    model = _other(order.start, photos)
    content = load_checkpoint(order.start)[1]
    if content["arch"] != order.config.model.arch:
        raise ConfigError(f"{order.start}: a {content['arch']}, the config asks for {order.config.model.arch}")
    return model, content["stem"], content["provenance"]["weights_sha256"]


def _other(checkpoint: Path, photos: Photos) -> nn.Module:
    """The network of another fit.

    Raises:
        ConfigError: it knows other labels.
    """
    network, content = load_checkpoint(checkpoint)
    if content["labels"] != list(photos.labels):
        raise ConfigError(f"{checkpoint}: knows {content['labels']}, the photographs are of {list(photos.labels)}")
    return network


def _check_unseen(start: Path, split: Split) -> None:
    """Refuse to go on or to learn from a network that was fitted to photographs which this fit is judged by.

    Raises:
        ConfigError: it was, or its split.json is not beside it.
    """
    file = start.with_name("split.json")
    try:
        learnt = set(json.loads(file.read_text(encoding="utf-8"))["train"])
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; it says which photographs {start.name} has seen") from None
    if seen := learnt & {*split.validation.names, *split.test.names}:
        raise ConfigError(
            f"{start}: was fitted to {len(seen)} photographs of this split's validation and test parts; "
            "go on with the split it was made with"
        )


def _sha256(network: nn.Module) -> str:
    return state_sha256(network.state_dict())


def _resume(tuner: Finetuner, last: Path, this: Run) -> None:
    """Load last.pt after checking that it is the same fit."""
    state = torch.load(last, map_location="cpu", weights_only=True)
    found, expected = state.pop("fingerprint"), this.fingerprint()
    if different := [name for name in expected if found.get(name) != expected[name]]:
        raise ConfigError(f"{last} is of another fit: its {' and '.join(different)} differ; give another --out")
    tuner.restore(state)
    if tuner.world.first:
        print(f"resuming after epoch {tuner.progress.epoch}")
