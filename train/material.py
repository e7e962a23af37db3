"""From a folder of photographs to what a fit is fed: the split, the crops, the validation inputs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.errors import ConfigError
from train.config import DataConfig, TrainConfig
from train.crops import CropMaker, Photograph
from train.cutout import Cutout, cut_out
from train.data import (
    Photos,
    Split,
    check_readable,
    conflicting,
    groups_file,
    load_into_memory,
    make_split,
    read_groups,
)
from train.distributed import World
from train.scenes.backgrounds import Backgrounds

BACKGROUND_SEED = 20_160
"""Of the bank of backgrounds: the same in every fit, so that fits differ in what their configs say."""


def usable_split(photos: Photos, config: DataConfig, world: World) -> Split:
    """The split that the config names, its training part less the photographs that stand under two labels.

    Raises:
        ConfigError: a photograph cannot be read, or there are too few for the split.
    """
    if damaged := check_readable(photos, progress="check" if world.first else None):
        listed = "; ".join(f"{name}: {reason}" for name, reason in list(damaged.items())[:5])
        raise ConfigError(
            f"{photos.root}: {len(damaged)} of {len(photos)} files cannot be read ({listed}); repair or remove them "
            f"(python -m train data {photos.root} lists all)"
        )
    file = groups_file(photos.root)
    groups = read_groups(file) if file.is_file() else {}
    split = make_split(photos, config.split, groups=groups, fold=config.fold, folds=config.folds)
    if not config.drop_conflicting:
        return split
    dropped = sorted(set(conflicting(photos)) & set(split.train.names))
    if dropped and world.first:
        print(f"left out of training, for they stand under two labels: {', '.join(dropped)}")
    return Split(split.train.without(dropped), split.validation, split.test)


def crop_maker(train: Photos, config: TrainConfig, *, world: World, extra: Sequence[Photos] = ()) -> CropMaker:
    """The training photographs in memory, `extra` after them, their items cut out where the config composes them."""
    augment, height_px = config.finetune.augment, config.data.memory_height_px
    shown = "decode training" if world.first else None
    photographs: list[Photograph] = []
    for photos in (train, *extra):
        pictures = load_into_memory(photos, height_px, progress=shown)
        cutouts: Sequence[Cutout | None] = [None] * len(photos)
        if augment.scenes is not None:
            cutouts = cut_outs(photos, height_px, config.workers, world.first)
        photographs += [Photograph(rgb, cutout) for rgb, cutout in zip(pictures, cutouts, strict=True)]
    backgrounds = None if augment.scenes is None else Backgrounds(np.random.default_rng(BACKGROUND_SEED))
    targets = np.concatenate([photos.targets for photos in (train, *extra)])
    return CropMaker(photographs, targets, train.labels, augment, backgrounds)


def composed_inputs(validation: Photos, config: TrainConfig, *, world: World) -> NDArray[np.uint8] | None:
    """The validation photographs as training shows its own, on other trays: (M, S, S, 3), drawn once.

    A photograph that cannot be cut out is seen by another camera, on its own board. None where the
    config says nothing of scenes.
    """
    augment, size_px = config.finetune.augment, config.preprocessing.size_px
    if augment.scenes is None:
        return None
    always = config.finetune.model_copy(update={"augment": augment.model_copy(update={"camera": 1.0})})
    maker = crop_maker(validation, config.model_copy(update={"finetune": always}), world=world)
    crops = []
    for i in range(len(validation)):
        rng = np.random.default_rng([BACKGROUND_SEED, i])
        crops.append(maker.seen_by_a_camera(maker.composed(i, size_px, rng), rng))
    return np.stack(crops)


@lru_cache(maxsize=2)
def cut_outs(photos: Photos, height_px: int, workers: int, progress: bool) -> tuple[Cutout | None, ...]:
    """The items of photographs held at `height_px`; None where one cannot be cut out. Remembered within a process."""
    pictures = load_into_memory(photos, height_px)
    bar: dict[str, Any] = {"total": len(pictures), "desc": "cut out items", "unit": "photo", "disable": not progress}
    if workers < 2:
        return tuple(tqdm(map(cut_out, pictures), **bar))
    # fork: the photographs are shared with the workers, not copied to them.
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        return tuple(tqdm(pool.map(cut_out, pictures, chunksize=16), **bar))
