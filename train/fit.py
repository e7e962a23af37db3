"""A whole fit, top to bottom: data, phase 1, phase 2, curves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.errors import ConfigError
from train.checkpoint import FORMAT, git_commit, plain_state, save_atomically
from train.config import TrainConfig
from train.data import Split, data_sha256, load_inputs, load_into_memory, reference_split, scan, write_split
from train.loop import Finetuner, FitData, Progress, run
from train.model import IMAGENET_MEAN, IMAGENET_STD, pretrained
from train.phases import cached_features, train_head


@dataclass(frozen=True)
class Run:
    """One fit's constants: what every checkpoint of it records."""

    config: TrainConfig
    out: Path
    split: Split
    stem: str
    data_sha256: str
    weights_sha256: str

    def fingerprint(self) -> dict[str, Any]:
        """What an interrupted fit and its continuation must have in common."""
        return {
            "config": self.config.model_dump(mode="json"),
            "data_sha256": self.data_sha256,
            "weights_sha256": self.weights_sha256,
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
                    "git_commit": git_commit(),
                    "phase": phase,
                    "epoch": epoch,
                    "validation": validation,
                },
            },
            self.out / name,
        )


def fit(config: TrainConfig, *, data: Path, weights: Path | None, out: Path, resume: bool) -> Progress:
    """Train from ImageNet features to best.pt, phase1.pt and last.pt in `out`.

    Raises:
        ConfigError: the data, the weights or the run to resume cannot be used.
    """
    last = out / "last.pt"
    if last.exists() and not resume:
        raise ConfigError(f"{last} exists: continue it with --resume, or give another --out")
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    photos = scan(data)
    model, stem, weights_sha256 = pretrained(config.model, len(photos.labels), weights)
    split = _usable(config, reference_split(photos))
    this = Run(config, out, split, stem, data_sha256(photos), weights_sha256)
    print(
        f"{len(split.train)} training, {len(split.validation)} validation, {len(split.test)} test "
        f"photographs of {', '.join(photos.labels)}"
    )
    out.mkdir(parents=True, exist_ok=True)
    write_split(split, out / "split.json")

    tuner = Finetuner(model, config.finetune, seed=config.seed, photos=len(split.train))
    if last.exists():
        _resume(tuner, last, this)
    else:
        validation = _phase1(model, this)
        this.save("phase1.pt", model, phase=1, epoch=0, validation=validation)
        tuner.average.load_state_dict(model.state_dict())

    fit_data = FitData(
        load_into_memory(split.train, config.data.memory_height_px, progress="decode training"),
        split.train.targets,
        load_inputs(split.validation, config.preprocessing, progress="decode validation"),
        split.validation.targets,
    )

    def keep_best(network: nn.Module, progress: Progress) -> None:
        this.save("best.pt", network, phase=2, epoch=progress.epoch, validation=progress.best)

    run(
        tuner,
        fit_data,
        out=out,
        batch=config.features.batch,
        fingerprint=this.fingerprint(),
        keep_best=keep_best,
    )
    (out / "history.json").write_text(json.dumps(tuner.progress.history, indent=1) + "\n", encoding="utf-8")
    return tuner.progress


def _usable(config: TrainConfig, split: Split) -> Split:
    """The split less the photographs the config drops from training."""
    known = {*split.train.names, *split.validation.names, *split.test.names}
    if strangers := sorted(set(config.data.drop_from_training) - known):
        raise ConfigError(f"data.drop_from_training: no such photograph: {', '.join(strangers)}")
    return Split(split.train.without(config.data.drop_from_training), split.validation, split.test)


def _phase1(model: nn.Module, this: Run) -> dict[str, float]:
    """Features once (kept in out/), then the head."""
    config, sets = this.config, []
    for part, photos in (("training", this.split.train), ("validation", this.split.validation)):
        key = f"{this.weights_sha256[:12]}-{data_sha256(photos)[:12]}-{config.preprocessing.size_px}"
        cache = this.out / f"features-{part}-{key}.npy"
        features = cached_features(model, photos, config.preprocessing, config.features.batch, cache, part=part)
        sets.append((features, torch.from_numpy(photos.targets)))
    return train_head(model, sets[0], sets[1], config.features, config.finetune.label_smoothing)


def _resume(tuner: Finetuner, last: Path, this: Run) -> None:
    """Load last.pt after checking that it is the same fit."""
    state = torch.load(last, map_location="cpu", weights_only=True)
    found, expected = state.pop("fingerprint"), this.fingerprint()
    if different := [name for name in expected if found[name] != expected[name]]:
        raise ConfigError(f"{last} is of another fit: its {' and '.join(different)} differ; give another --out")
    tuner.restore(state)
    print(f"resuming after epoch {tuner.progress.epoch}")
