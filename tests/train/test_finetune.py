from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from tests.train.conftest import small_settings, stage  # noqa: E402
from train import finetune  # noqa: E402
from train.config import AugmentConfig, FinetuneConfig  # noqa: E402
from train.crops import CropMaker, Photograph  # noqa: E402
from train.distributed import World  # noqa: E402
from train.finetune import Finetuner, Progress, predict  # noqa: E402
from train.model import build, normalise  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = World(0, 1, torch.device("cpu"))
PHOTOS = 12


def config(**changes: Any) -> FinetuneConfig:
    return FinetuneConfig.model_validate(small_settings()["finetune"] | {"batch": 6} | changes)


def tuner(plan: FinetuneConfig, *, teachers: Sequence[nn.Module] = (), seed: int = 0) -> Finetuner:
    torch.manual_seed(0)
    model = build("resnet18", "relu", 3)
    return Finetuner(model, plan, seed=seed, photos=PHOTOS, world=CPU, precision=torch.float32, teachers=teachers)


def teacher() -> nn.Module:
    """It knows nothing either, but says so with decision."""
    torch.manual_seed(7)
    model = build("resnet18", "relu", 3).requires_grad_(False)
    model.fc.weight *= 20
    return model


def pictures(n: int = PHOTOS) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def maker(augment: AugmentConfig) -> CropMaker:
    photographs = [Photograph(rgb, None) for rgb in pictures()]
    return CropMaker(photographs, np.arange(PHOTOS) % 3, ("a", "b", "c"), augment, None)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Blocks of which any number differs; the stem's parts by their own names."""
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def test_each_stage_changes_the_blocks_it_names_and_no_statistics() -> None:
    plan = config(stages=[stage("fc"), stage("fc", "layer4"), stage("fc", "layer4", "layer3")])
    fit, states = tuner(plan), []
    states.append(snapshot(fit.model))
    for _ in range(3):
        figures = fit.train_epoch(maker(plan.augment), workers=0)
        fit.progress.note(figures, {"right": 0, "nll": 0.0})
        states.append(snapshot(fit.model))
    steps = [changed(states[i], states[i + 1]) for i in range(3)]
    assert steps == [{"fc"}, {"fc", "layer4"}, {"fc", "layer4", "layer3"}]
    assert not any("running" in n and not torch.equal(t, states[0][n]) for n, t in states[-1].items())
    assert [row["stage"] for row in fit.progress.history] == [1, 2, 3]


def test_every_block_can_learn() -> None:
    plan = config(stages=[stage("fc", "layer4", "layer3", "layer2", "layer1", "stem")])
    fit = tuner(plan)
    before = snapshot(fit.model)
    fit.train_epoch(maker(plan.augment), workers=0)
    assert changed(before, snapshot(fit.model)) == {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"}


def test_training_and_answering_agree_on_what_the_network_says() -> None:
    fit = tuner(config())
    with torch.no_grad():
        expected = fit.model(normalise(torch.from_numpy(pictures()))).numpy()
        trained = fit.forward(torch.from_numpy(pictures())).numpy()
    assert trained == pytest.approx(expected, abs=1e-4)
    assert fit.logits(pictures(), batch=5) == pytest.approx(expected, abs=1e-4)
    assert predict(fit.model, pictures(), 5) == pytest.approx(expected, abs=1e-4)


def test_frozen_blocks_keep_nothing_for_the_backward_pass() -> None:
    fit = tuner(config(stages=[stage("fc")]))
    loss = fit.forward(torch.from_numpy(pictures())).sum()
    loss.backward()
    assert {name for name, p in fit.model.named_parameters() if p.grad is not None} == {"fc.weight", "fc.bias"}


def test_an_epoch_with_the_same_seed_is_the_same_and_with_another_is_not() -> None:
    plan = config(mix={"probability": 1.0, "mixup_alpha": 0.2, "cutmix_alpha": 1.0})
    losses = [tuner(plan, seed=seed).train_epoch(maker(plan.augment), workers=0)["loss"] for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_the_average_lags_behind_and_without_decay_is_the_network_itself() -> None:
    for decay, lags in ((0.9, True), (0.0, False)):
        plan = config(ema_decay=decay)
        fit = tuner(plan)
        before = snapshot(fit.model)
        fit.train_epoch(maker(plan.augment), workers=0)
        network, average = fit.model.fc.weight, fit.average.fc.weight
        assert torch.equal(network, average) != lags
        assert (average - before["fc.weight"]).norm() <= (network - before["fc.weight"]).norm()


def test_a_state_restored_elsewhere_continues_with_the_same_numbers() -> None:
    plan = config(stages=[stage("fc"), stage("fc", "layer4", epochs=2)])
    first, second = tuner(plan), tuner(plan)
    for _ in range(2):
        first.progress.note(first.train_epoch(maker(plan.augment), workers=0), {"right": 0, "nll": 0.0})
    second.restore(copy.deepcopy(first.state()))  # as through a file: the two share nothing
    losses = [fit.train_epoch(maker(plan.augment), workers=0)["loss"] for fit in (first, second)]
    assert losses[0] == losses[1]
    assert changed(snapshot(first.model), snapshot(second.model)) == set()


def test_the_distance_to_the_teacher_is_the_divergence_of_the_softened_answers() -> None:
    fit = tuner(config(distill={"weight": 1.0, "temperature": 2.0}), teachers=[teacher()])
    pixels = torch.from_numpy(pictures())
    with torch.no_grad():
        logits = fit.forward(pixels)
        p, q = (functional.softmax(x / 2, dim=1) for x in (teacher()(normalise(pixels)), logits))
        expected = 4 * (p * (p / q).log()).sum(dim=1).mean()
        assert float(fit._distance_to_teachers(pixels, logits)) == pytest.approx(float(expected), rel=1e-4)


def test_several_teachers_answer_with_the_mean_of_their_probabilities() -> None:
    other = build("resnet18", "relu", 3).requires_grad_(False)
    fit = tuner(config(distill={"weight": 1.0, "temperature": 1.0}), teachers=[teacher(), other])
    pixels = torch.from_numpy(pictures())
    with torch.no_grad():
        logits = fit.forward(pixels)
        answers = (*(network(normalise(pixels)) for network in (teacher(), other)), logits)
        first, second, q = (functional.softmax(x, dim=1) for x in answers)
        p = (first + second) / 2
        expected = (p * (p / q).log()).sum(dim=1).mean()
        assert float(fit._distance_to_teachers(pixels, logits)) == pytest.approx(float(expected), rel=1e-4)


def test_with_weight_one_the_labels_do_not_matter_and_the_answers_near_the_teacher_s() -> None:
    stages = [{"epochs": 20, "crop_px": 32, "rates": {"fc": 2e-2}}]
    plan = config(stages=stages, distill={"weight": 1.0, "temperature": 2.0}, ema_decay=0)
    fit, other = (tuner(plan, teachers=[teacher()]) for _ in range(2))
    pixels, wanted = torch.from_numpy(pictures()), torch.arange(PHOTOS) % 3
    rng = np.random.default_rng(0)
    losses = [fit._learn(pixels, wanted, rng)[0] for _ in range(15)]
    assert losses[-1] < 0.3 * losses[0]
    assert [other._learn(pixels, 2 - wanted, rng)[0] for _ in range(3)] == losses[:3]


def test_a_weight_below_one_mixes_the_labels_loss_and_the_teacher_s() -> None:
    pixels, wanted = torch.from_numpy(pictures()), torch.arange(PHOTOS) % 3

    def first_loss(**changes: Any) -> float:
        plan = config(label_smoothing=0.0, **changes)
        known = [teacher()] if plan.distill else []
        return tuner(plan, teachers=known)._learn(pixels, wanted, np.random.default_rng(0))[0]

    labels, taught, both = (
        first_loss(distill=d) for d in (None, {"weight": 1.0, "temperature": 1.0}, {"weight": 0.3, "temperature": 1.0})
    )
    assert both == pytest.approx(0.7 * labels + 0.3 * taught, rel=1e-5)


def test_a_loss_that_is_no_number_ends_the_fit_and_says_what_to_do() -> None:
    fit = tuner(config())
    nn.init.constant_(fit.model.fc.bias, float("nan"))
    with pytest.raises(FloatingPointError, match="the loss became nan in epoch 1; lower the rates"):
        fit._learn(torch.from_numpy(pictures()), torch.zeros(PHOTOS, dtype=torch.int64), np.random.default_rng(0))


def test_a_step_in_bfloat16_runs_and_keeps_float32_weights() -> None:
    torch.manual_seed(0)
    fit = Finetuner(build("resnet18", "relu", 3), config(), seed=0, photos=PHOTOS, world=CPU, precision=torch.bfloat16)
    figures = fit.train_epoch(maker(config().augment), workers=0)
    assert np.isfinite(figures["loss"])
    assert {p.dtype for p in fit.model.parameters()} == {torch.float32}
    logits = fit.logits(pictures(), batch=6)
    assert logits.dtype == np.float32 and np.isfinite(logits).all()


def noted(*validations: dict[str, float]) -> tuple[list[bool], Progress]:
    progress = Progress()
    return [progress.note({"loss": 1.0}, validation) for validation in validations], progress


def test_more_right_is_better_and_of_equals_the_lower_nll() -> None:
    better, progress = noted(
        {"right": 5, "nll": 0.5}, {"right": 5, "nll": 0.6}, {"right": 5, "nll": 0.4}, {"right": 6, "nll": 0.9},
        {"right": 5, "nll": 0.1},
    )  # fmt: skip
    assert better == [True, False, True, True, False]
    assert progress.best == {"right": 6, "nll": 0.9} and (progress.epoch, progress.stale_epochs) == (5, 1)


def test_the_best_is_chosen_by_the_own_board_and_other_trays_alike() -> None:
    better, progress = noted(
        {"right": 9, "nll": 0.2, "composed_right": 4, "composed_nll": 1.0},
        {"right": 10, "nll": 0.1, "composed_right": 2, "composed_nll": 1.0},
        {"right": 8, "nll": 0.3, "composed_right": 6, "composed_nll": 1.0},
        {"right": 7, "nll": 0.3, "composed_right": 7, "composed_nll": 0.8},
    )
    assert better == [True, False, True, True]
    assert progress.history[-1]["validation_composed_right"] == 7


def test_a_stage_may_have_its_own_share_of_other_trays_and_no_mixing(monkeypatch: pytest.MonkeyPatch) -> None:
    augment = small_settings()["finetune"]["augment"] | {"scenes": {"composed": 0.5, "followed": 0.1}}
    plan = config(
        stages=[stage("fc"), stage("fc") | {"composed": 0.2, "mix": False}],
        mix={"probability": 1.0, "mixup_alpha": 0.2, "cutmix_alpha": 0.0}, augment=augment,
    )  # fmt: skip
    fit, seen = tuner(plan), []
    drawn = finetune.batches

    def batches(maker: CropMaker, **more: Any) -> Any:
        assert maker.config.scenes is not None
        seen.append(maker.config.scenes.composed)
        return drawn(maker, **more)

    def mix(pixels: Tensor, targets: Tensor, how: object, rng: object) -> tuple[Tensor, Tensor]:
        seen.append(how is not None)
        return pixels, targets

    monkeypatch.setattr(finetune, "batches", batches)
    monkeypatch.setattr(finetune, "mix", mix)
    for _ in range(2):
        fit.progress.note(fit.train_epoch(maker(plan.augment), workers=0), {"right": 0, "nll": 0.0})
    assert seen == [0.5, True, True, 0.2, False, False]
