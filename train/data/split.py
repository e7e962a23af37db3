"""Train, validation and test: four ways to part the photographs, each the same every time."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edge.errors import ConfigError
from train.data.groups import groups_file
from train.data.official import read_lists
from train.data.photos import Photos

Kind = Literal["reference", "official", "grouped", "kfold"]
SPLIT_SEED = 1337
SHARES = (0.70, 0.15, 0.15)
"""Train, validation, test of the grouped split: the reference split's."""
KFOLD_VALIDATION = 0.125
"""Of what a test fold leaves: with five folds the fit trains on 70 %, as in the other splits."""


@dataclass(frozen=True)
class Split:
    """Train, validation and test: no photograph in two of them."""

    train: Photos
    validation: Photos
    test: Photos


def make_split(
    photos: Photos,
    kind: Kind,
    *,
    groups: Mapping[str, str],
    official: Path | None = None,
    fold: int = 0,
    folds: int = 5,
    seed: int = 0,
) -> Split:
    """Part the photographs.

    Args:
        kind: `reference` as `reference_split`; `official` by the authors' lists (TrashNet only); `grouped` about
            70/15/15 within each class with every object in one part; `kfold` the same with fold `fold` of `folds`
            as the test part, so that over all folds each photograph is tested once.
        groups: "class/file.jpg" → object, as `read_groups` gives it; a photograph without an entry is alone.
        official: folder of the authors' lists; None looks inside the photographs' folder and beside it.
        seed: of `grouped` and `kfold`. The folds of one seed belong together.

    Raises:
        ConfigError: the lists or groups asked for are missing, `fold` does not exist, or a class has too few
            photographs to stand in every part.
    """
    if kind in ("grouped", "kfold") and not groups and not groups_file(photos.root).is_file():
        raise ConfigError(
            f"{kind} split: {groups_file(photos.root)} is missing, so nothing tells which photographs show the same "
            f"object; `python -m train data {photos.root}` finds them and writes it"
        )
    if kind == "reference":
        split = reference_split(photos)
    elif kind == "official":
        split = Split(*map(photos.only, read_lists(photos, official)))
    elif kind == "grouped":
        split = Split(*_deal(photos, SHARES, groups, seed))
    else:
        split = _kfold(photos, groups, fold, folds, seed)
    _check_parts(split, kind)
    return split


def reference_split(photos: Photos) -> Split:
    """70/15/15 within each class, as split-folders makes it: files sorted, then shuffled with seed 1337.

    The generator is seeded anew for every class. On TrashNet that gives 1766 / 377 / 384 photographs. Seeding
    once for all classes gives the same counts but another split; `trashnet_groups.csv` tells them apart: 75
    of the test photographs show an object that also stands in train or validation (seeded once: 76; files in
    number order: 69).
    """
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for label in photos.labels:
        files = [name for name in photos.names if name.startswith(label + "/")]
        random.Random(SPLIT_SEED).shuffle(files)  # the same sequence as the module's own generator gives
        train_end = int(0.70 * len(files))
        validation_end = train_end + int(0.15 * len(files))
        for part, chosen in zip(
            parts, (files[:train_end], files[train_end:validation_end], files[validation_end:]), strict=True
        ):
            part += chosen
    return Split(*(Photos(photos.root, photos.labels, tuple(part)) for part in parts))


def write_split(split: Split, path: Path) -> None:
    """split.json: the names of the three parts ("glass/glass7.jpg"), for an exporter with no split of its own."""
    parts = {"train": split.train.names, "validation": split.validation.names, "test": split.test.names}
    path.write_text(json.dumps(parts, indent=0) + "\n", encoding="utf-8")


def _kfold(photos: Photos, groups: Mapping[str, str], fold: int, folds: int, seed: int) -> Split:
    if folds < 2 or not 0 <= fold < folds:
        raise ConfigError(f"fold {fold} of {folds}: expected at least two folds, numbered from 0")
    test = _deal(photos, [1 / folds] * folds, groups, seed)[fold]
    rest = photos.without(test.names)
    train, validation = _deal(rest, (1 - KFOLD_VALIDATION, KFOLD_VALIDATION), groups, seed)
    return Split(train, validation, test)


def _deal(photos: Photos, shares: Sequence[float], groups: Mapping[str, str], seed: int) -> list[Photos]:
    """Parts of about `shares` of every class; photographs of one object go to one part.

    Greedy, largest object first: to the part that will lack most of its class, of the parts with room for it (all
    in shares of what a part should have), and where none has room to the part that lacks most. One object of 68
    photographs then costs balance only where nothing small is left to mend it.
    """
    total = Counter(map(_label, photos.names))
    held: list[Counter[str]] = [Counter() for _ in shares]
    parts: list[set[str]] = [set() for _ in shares]
    for members in _objects(photos, groups, seed):
        counts = Counter(map(_label, members))
        wanted = [{label: share * total[label] for label in counts} for share in shares]
        before = [
            min(1 - have[label] / want[label] for label in counts) for have, want in zip(held, wanted, strict=True)
        ]
        after = [
            min(1 - (have[label] + n) / want[label] for label, n in counts.items())
            for have, want in zip(held, wanted, strict=True)
        ]
        lacks = after if max(after) >= 0 else before
        chosen = lacks.index(max(lacks))
        parts[chosen].update(members)
        held[chosen].update(counts)
    return [photos.only(part) for part in parts]


def _objects(photos: Photos, groups: Mapping[str, str], seed: int) -> list[list[str]]:
    """Names by object, largest first, equals in an order that `seed` decides."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in photos.names:
        members[f"group {groups[name]}" if name in groups else name].append(name)
    objects = list(members.values())
    shuffled = [objects[i] for i in np.random.default_rng(seed).permutation(len(objects))]
    return sorted(shuffled, key=len, reverse=True)


def _label(name: str) -> str:
    return name.split("/")[0]


def _check_parts(split: Split, kind: Kind) -> None:
    """Every class must be in every part: what is not trained cannot be measured, nor the other way round."""
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    held = {part: Counter(map(_label, photos.names)) for part, photos in parts.items()}
    for label in split.train.labels:
        empty = [part for part in parts if not held[part][label]]
        if empty:
            total = sum(counts[label] for counts in held.values())
            raise ConfigError(
                f"{split.train.root / label}: {total} photographs leave none for {' and '.join(empty)} of the {kind} "
                "split; add photographs of other objects, or merge the class with another (--labels)"
            )
