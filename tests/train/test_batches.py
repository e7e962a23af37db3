from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from train.batches import batches  # noqa: E402
from train.config import AugmentConfig  # noqa: E402
from train.crops import CropMaker, Photograph  # noqa: E402
from train.distributed import World  # noqa: E402

PHOTOS = 26
BENT = AugmentConfig(
    area=(0.5, 1), aspect=(0.75, 1.6), quarter_turns=True, brightness=0.3, contrast=0.3, saturation=0.3, hue_degrees=8,
    camera=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def maker() -> CropMaker:
    rng = np.random.default_rng(0)
    photographs = [Photograph(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), None) for _ in range(PHOTOS)]
    return CropMaker(photographs, np.arange(PHOTOS) % 3, ("a", "b", "c"), BENT, None)


def world(rank: int = 0, size: int = 1) -> World:
    return World(rank, size, torch.device("cpu"))


def epoch(maker: CropMaker, **changes: Any) -> list[tuple[Tensor, Tensor]]:
    asked = {"batch": 8, "crop_px": 32, "seed": (1, 0), "class_balance": 0.5, "workers": 0, "world": world()} | changes
    count, drawn = batches(maker, **asked)
    made = list(drawn)
    assert len(made) == count
    return made


def crops(made: list[tuple[Tensor, Tensor]]) -> list[bytes]:
    """Every crop's pixels and target, in order."""
    return [
        pixels.numpy().tobytes() + bytes([int(target)])
        for batch, targets in made
        for pixels, target in zip(batch, targets, strict=True)
    ]


def test_an_epoch_shows_as_many_crops_as_there_are_photographs(maker: CropMaker) -> None:
    made = epoch(maker)
    assert [len(pixels) for pixels, _ in made] == [8, 8, 8, 2]
    assert all(p.shape[1:] == (32, 32, 3) and p.dtype == torch.uint8 and t.dtype == torch.int64 for p, t in made)


def test_the_same_seed_gives_the_same_batches_and_another_epoch_others(maker: CropMaker) -> None:
    first, again, next_epoch, other_fit = (crops(epoch(maker, seed=s)) for s in ((1, 0), (1, 0), (1, 1), (2, 0)))
    assert first == again
    assert not set(first) & set(next_epoch) and not set(first) & set(other_fit)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than this machine has cores
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_number_of_workers_does_not_change_a_crop(maker: CropMaker, workers: int) -> None:
    assert crops(epoch(maker, workers=workers)) == crops(epoch(maker))


@pytest.mark.parametrize("size", [2, 4])
def test_processes_share_out_each_batch_of_the_one_process(maker: CropMaker, size: int) -> None:
    alone = epoch(maker)
    parts = [epoch(maker, world=world(rank, size)) for rank in range(size)]
    assert len({len(part) for part in parts}) == 1, "each must take part in every step"
    for index in range(PHOTOS // 8):
        whole = crops(alone[index : index + 1])
        shared = [crops(part[index : index + 1]) for part in parts]
        assert [whole[rank::size] for rank in range(size)] == shared
    together = [crop for part in parts for crop in crops(part)]
    assert len(set(together)) == len(together) == PHOTOS // size * size, "no crop twice"
    assert set(together) <= set(crops(alone))


def test_a_batch_smaller_than_the_processes_still_gives_each_a_crop(maker: CropMaker) -> None:
    assert [len(pixels) for pixels, _ in epoch(maker, batch=1, world=world(1, 2))] == [1] * 13
