from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from train.config import MixConfig  # noqa: E402
from train.mixing import EMPTY, mix, soft_targets  # noqa: E402

BATCH, CLASSES, SIDE = 8, 8, 32
HOT = torch.eye(CLASSES)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def plain_pictures() -> Tensor:
    """(B, S, S, 3) uint8: picture i is of one grey, 30 i, so that a mixed pixel tells of which it is made."""
    return (30 * torch.arange(BATCH, dtype=torch.uint8)).view(-1, 1, 1, 1).expand(-1, SIDE, SIDE, 3).clone()


def only(kind: str, probability: float = 1.0, alpha: float = 1.0) -> MixConfig:
    alphas = {"mixup_alpha": 0.0, "cutmix_alpha": 0.0, f"{kind}_alpha": alpha}
    return MixConfig(probability=probability, **alphas)


def test_a_smoothed_target_sums_to_one_and_keeps_the_rest_on_its_class() -> None:
    soft = soft_targets(torch.tensor([0, 2]), 4, 0.1)
    assert soft.dtype == torch.float32
    assert torch.allclose(soft, torch.tensor([[0.925, 0.025, 0.025, 0.025], [0.025, 0.025, 0.925, 0.025]]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_an_empty_tray_is_every_class_alike_whatever_the_smoothing(smoothing: float) -> None:
    soft = soft_targets(torch.tensor([EMPTY, 1]), 5, smoothing)
    assert torch.allclose(soft[0], torch.full((5,), 0.2))
    assert torch.allclose(soft.sum(dim=1), torch.ones(2))
    assert int(soft[1].argmax()) == 1


@pytest.mark.parametrize("config", [None, only("mixup", 0.0), only("cutmix", 0.0)])
def test_no_mixing_and_probability_zero_change_nothing(config: MixConfig | None) -> None:
    pixels = plain_pictures()
    for seed in range(20):
        mixed, targets = mix(pixels, HOT, config, generator(seed))
        assert torch.equal(mixed, plain_pictures()) and torch.equal(targets, HOT)


def test_one_picture_is_not_mixed_with_itself() -> None:
    pixels, targets = mix(plain_pictures()[:1], HOT[:1], only("mixup"), generator(0))
    assert torch.equal(pixels, plain_pictures()[:1]) and torch.equal(targets, HOT[:1])


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("seed", range(10))
def test_targets_have_the_shares_of_the_pixels(kind: str, seed: int) -> None:
    """The mean grey of a mixture of plain pictures is their greys weighed by the targets: only then do both agree."""
    pixels, targets = mix(plain_pictures(), HOT, only(kind), generator(seed))
    assert pixels.dtype == torch.uint8 and torch.allclose(targets.sum(dim=1), torch.ones(BATCH))
    greys = targets @ (30.0 * torch.arange(CLASSES))
    assert torch.allclose(pixels.float().mean(dim=(1, 2, 3)), greys, atol=0.51 if kind == "mixup" else 1e-3)


def test_cutmix_pastes_one_rectangle_and_leaves_the_rest() -> None:
    pasted = set()
    for seed in range(30):
        pixels, _ = mix(plain_pictures(), HOT, only("cutmix"), generator(seed))
        changed = (pixels != plain_pictures()).any(dim=(0, 3))
        rows, columns = changed.any(dim=1), changed.any(dim=0)
        assert torch.equal(changed, rows[:, None] & columns[None]), "a rectangle"
        pasted.add(int(changed.sum()))
    assert len(pasted) > 10


def test_both_kinds_have_about_half_of_the_batches() -> None:
    config = MixConfig(probability=1.0, mixup_alpha=1.0, cutmix_alpha=1.0)
    original = set(range(0, 30 * BATCH, 30))
    pasted = sum(
        set(mix(plain_pictures(), HOT, config, generator(seed))[0].unique().tolist()) <= original for seed in range(200)
    )
    assert 75 <= pasted <= 125


def test_the_probability_is_the_share_of_mixed_batches() -> None:
    config = only("mixup", probability=0.3)
    mixed = sum(not torch.equal(mix(plain_pictures(), HOT, config, generator(s))[1], HOT) for s in range(400))
    assert 90 <= mixed <= 150


def test_the_same_generator_mixes_the_same() -> None:
    config = MixConfig(probability=1.0, mixup_alpha=0.2, cutmix_alpha=1.0)
    first, second = (mix(plain_pictures(), HOT, config, generator(5)) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
