from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.train.conftest import small_settings, stage  # noqa: E402
from train.config import FinetuneConfig  # noqa: E402
from train.model import build, stages  # noqa: E402
from train.schedule import Schedule, optimiser_of  # noqa: E402

STEPS = 100


def config(**changes: Any) -> FinetuneConfig:
    return FinetuneConfig.model_validate(small_settings()["finetune"] | changes)


def three_stages() -> FinetuneConfig:
    return config(
        stages=[stage("fc", epochs=1), stage("fc", "layer4", epochs=2), stage("fc", "layer4", "layer3", epochs=3)]
    )


def test_an_epoch_belongs_to_the_stage_it_falls_in() -> None:
    schedule = Schedule(three_stages(), STEPS)
    assert [schedule.stage_of(epoch) for epoch in range(6)] == [0, 1, 1, 2, 2, 2]
    assert [schedule.first_epoch(index) for index in range(3)] == [0, 1, 3]
    assert schedule.stage_of(6) == 2, "a finished fit is still in its last stage"


def test_one_stage_rises_to_its_peak_then_falls_to_zero() -> None:
    schedule = Schedule(config(stages=[stage("fc", epochs=2)], warmup_share=0.1), STEPS)
    factors = [schedule.factor(step) for step in range(2 * STEPS)]
    peak = int(np.argmax(factors))
    assert peak in (19, 20) and factors[peak] > 0.97
    assert factors[: peak + 1] == sorted(factors[: peak + 1]) and factors[peak:] == sorted(factors[peak:], reverse=True)
    assert 0 < factors[0] < 0.06 and 0 < factors[-1] < 1e-3


def test_every_stage_warms_up_and_otherwise_follows_one_cosine() -> None:
    schedule = Schedule(three_stages(), STEPS)
    factors = np.array([schedule.factor(step) for step in range(6 * STEPS)])
    cosine = 0.5 * (1 + np.cos(np.pi * np.arange(6 * STEPS) / (6 * STEPS)))
    warming = factors < cosine - 1e-9
    for first, epochs in ((0, 1), (1, 2), (3, 3)):
        start, length = first * STEPS, epochs * STEPS
        assert warming[start : start + length // 10].all()
        assert not warming[start + length // 10 : start + length].any()
        assert factors[start] < 0.1


def test_without_warm_up_the_first_step_has_the_peak() -> None:
    assert Schedule(config(warmup_share=0.0), STEPS).factor(0) == 1


def test_a_block_that_a_stage_does_not_name_has_rate_zero_there() -> None:
    plan = three_stages()
    schedule, optimiser = Schedule(plan, STEPS), optimiser_of(stages(build("resnet18", "relu", 3)), plan)

    def moving(step: int) -> set[str]:
        factor = schedule.apply(optimiser, step)
        for group in optimiser.param_groups:
            assert group["lr"] in (0.0, pytest.approx(2e-4 * factor))
        return {group["block"] for group in optimiser.param_groups if group["lr"] > 0}

    assert moving(0) == moving(STEPS - 1) == {"fc"}
    assert moving(STEPS) == {"fc", "layer4"}
    assert moving(3 * STEPS) == {"fc", "layer4", "layer3"}


def test_each_block_has_its_own_peak() -> None:
    rates = {"fc": 3e-4, "layer4": 1e-4}
    plan = config(stages=[{"epochs": 1, "crop_px": 32, "rates": rates}], warmup_share=0.0)
    optimiser = optimiser_of(stages(build("resnet18", "relu", 3)), plan)
    Schedule(plan, STEPS).apply(optimiser, 0)
    assert {group["block"]: group["lr"] for group in optimiser.param_groups} == rates


def test_biases_and_batch_norm_do_not_decay_and_every_parameter_stands_once() -> None:
    blocks = stages(build("resnet18", "relu", 3))
    groups = optimiser_of(blocks, three_stages()).param_groups
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] > 0) for p in group["params"])
    held = [id(p) for group in groups for p in group["params"]]
    expected = [id(p) for name in ("fc", "layer4", "layer3") for p in blocks[name].parameters()]
    assert sorted(held) == sorted(expected)
