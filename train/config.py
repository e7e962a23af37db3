"""What a fit does, read from YAML. An unknown key or a value out of range is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.bundle.preprocess import Preprocessing
from edge.errors import ConfigError

Block = Literal["fc", "layer4", "layer3", "layer2", "layer1", "stem"]
BLOCKS: tuple[Block, ...] = get_args(Block)
"""Of a ResNet, from the top down."""


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Which photographs are used, and how they are held."""

    split: Literal["reference", "official", "grouped", "kfold"] = Field(
        description="reference: split-folders 70/15/15, seed 1337; official: the authors' lists; grouped: no object in "
        "two parts; kfold: grouped, the test part is one fold of `folds`"
    )
    folds: int = Field(default=5, ge=2, le=20, description="of kfold")
    fold: int = Field(default=0, ge=0, description="of kfold: which is the test part, from 0")
    drop_conflicting: bool = Field(
        default=True, description="leave photographs that stand under two labels out of training (never out of test)"
    )
    memory_height_px: int = Field(
        default=288, ge=32, le=1024, description="height at which training photographs are kept in memory, pixels"
    )

    @model_validator(mode="after")
    def _fold_exists(self) -> DataConfig:
        if self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds}: the last is {self.folds - 1}")
        return self


class ModelConfig(Section):
    """The network and where its first weights come from."""

    arch: Literal["resnet50", "resnet18"] = Field(description="torchvision's name of the network")
    torchvision_weights: Literal["IMAGENET1K_V1", "IMAGENET1K_V2"] = Field(
        default="IMAGENET1K_V1",
        description="downloaded where no --weights file is given; their stem is a plain ReLU",
    )
    file_stem: Literal["relu", "relu6"] = Field(
        default="relu",
        description="activation after the first convolution that the --weights file was trained with",
    )


class FeaturesConfig(Section):
    """Phase 1: a linear head on frozen features."""

    l2: tuple[float, ...] = Field(min_length=1, description="L2 penalties tried; validation chooses one")
    steps: int = Field(ge=1, le=10_000, description="L-BFGS iterations at most, for each penalty")
    batch: int = Field(default=64, ge=1, description="photographs per forward pass, here and in every validation")


class ScenesConfig(Section):
    """Other trays: the item is cut from its board and composed on another background (train/scenes)."""

    composed: float = Field(ge=0, le=1, description="share of crops that are composed")
    followed: float = Field(ge=0, le=1, description="share of crops that frame the item's box, as the bin's do")
    sheet: float = Field(
        default=0.0, ge=0, le=1, description="share of crops that show the photograph, board and all, lying on a tray"
    )
    empty: float = Field(
        default=0.0, ge=0, le=0.2, description="share of crops that show an empty tray; their target is no class at all"
    )

    @model_validator(mode="after")
    def _leaves_room(self) -> ScenesConfig:
        if (shares := self.composed + self.followed + self.sheet + self.empty) > 1:
            raise ValueError(f"composed + followed + sheet + empty = {shares:g}; expected at most 1")
        return self


class MixConfig(Section):
    """Two photographs in one: mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019)."""

    probability: float = Field(ge=0, le=1, description="share of batches that are mixed at all")
    mixup_alpha: float = Field(ge=0, description="Beta(alpha, alpha) gives a pair's shares; 0: no mixup")
    cutmix_alpha: float = Field(ge=0, description="the same for CutMix; where both are given each has half the batches")


class AugmentConfig(Section):
    """How far a training photograph is bent, so that the bin's camera is no surprise."""

    area: tuple[float, float] = Field(description="share of the photograph a crop covers, least and most")
    aspect: tuple[float, float] = Field(description="width/height of a crop in the photograph, least and most")
    quarter_turns: bool = Field(description="turn by 0, 90, 180 or 270 degrees, each as likely")
    brightness: float = Field(ge=0, lt=1, description="factor drawn from 1 ± this")
    contrast: float = Field(ge=0, lt=1, description="factor about the mean grey, drawn from 1 ± this")
    saturation: float = Field(ge=0, lt=1, description="factor about each pixel's grey, drawn from 1 ± this")
    hue_degrees: float = Field(ge=0, le=180, description="turn of the colour circle, drawn from ± this")
    camera: float = Field(
        ge=0, le=1, description="share of crops seen by another camera: cast, exposure, blur, noise, compression"
    )
    scenes: ScenesConfig | None = Field(default=None, description="other backgrounds; absent: the photographs' own")


class StageConfig(Section):
    """One stage of progressive fine-tuning: which blocks learn, how long, how fast."""

    epochs: int = Field(ge=1, description="passes over the training photographs")
    crop_px: int = Field(ge=32, le=1024, description="side of the training crop, pixels")
    rates: dict[Block, float] = Field(
        min_length=1, description="peak learning rate of each block that learns; the rest stays frozen"
    )
    composed: float | None = Field(
        default=None, ge=0, le=1, description="share of crops on other trays in this stage; absent: the scenes' own"
    )
    mix: bool = Field(default=True, description="whether batches are mixed in this stage, as finetune.mix says")

    @model_validator(mode="after")
    def _from_the_top(self) -> StageConfig:
        expected = BLOCKS[: len(self.rates)]
        if set(self.rates) != set(expected):
            raise ValueError(f"rates: found {list(self.rates)}; expected every block from fc down to one: {expected}")
        return self


class DistillConfig(Section):
    """A trained network answers the same crops (Hinton et al. 2015)."""

    weight: float = Field(gt=0, le=1, description="of the teacher's answers in the loss; the labels have the rest")
    temperature: float = Field(ge=1, le=20, description="softens both distributions")


class FinetuneConfig(Section):
    """Phase 2: the blocks learn too, in stages."""

    batch: int = Field(ge=1, description="photographs per step, over all processes")
    stages: tuple[StageConfig, ...] = Field(min_length=1, description="one after the other")
    weight_decay: float = Field(ge=0, description="AdamW's; biases and batch norm are exempt")
    label_smoothing: float = Field(ge=0, lt=1, description="share of the target spread over all classes")
    warmup_share: float = Field(
        ge=0, le=1, description="share of each stage's steps in which its rates rise to their peak"
    )
    class_balance: float = Field(
        ge=0,
        le=1,
        description="0 draws photographs evenly, 1 draws classes evenly, between: weight n^-balance",
    )
    ema_decay: float = Field(ge=0, lt=1, description="per-step decay of the averaged weights; 0 means no averaging")
    patience: int = Field(ge=1, description="epochs without a better validation after which training stops")
    validate_every: int = Field(
        default=1, ge=1, description="epochs from one validation to the next; the last epoch always has one"
    )
    batch_norm: Literal["frozen", "reestimated"] = Field(
        default="frozen", description="statistics as they came, or taken anew from the training crops before phase 2"
    )
    mix: MixConfig | None = Field(default=None, description="mixup and CutMix; absent: none")
    distill: DistillConfig | None = Field(default=None, description="needs --teacher; absent: labels only")
    augment: AugmentConfig = Field(description="augmentation of training photographs")

    @model_validator(mode="after")
    def _validates_before_it_stops(self) -> FinetuneConfig:
        if self.patience < self.validate_every:
            raise ValueError(
                f"patience {self.patience}: would stop before the next validation, which comes every "
                f"{self.validate_every} epochs"
            )
        return self

    @model_validator(mode="after")
    def _stages_fit_the_scenes(self) -> FinetuneConfig:
        for stage in self.stages:
            self.augment_of(stage)
        return self

    def augment_of(self, stage: StageConfig) -> AugmentConfig:
        """The augmentation, with the stage's own share of other trays.

        Raises:
            ValueError: the stage gives a share without scenes, or one that leaves no room for the scenes' others.
        """
        if stage.composed is None:
            return self.augment
        if self.augment.scenes is None:
            raise ValueError(f"a stage says composed: {stage.composed:g}, but augment has no scenes")
        plan = ScenesConfig.model_validate(self.augment.scenes.model_dump() | {"composed": stage.composed})
        return self.augment.model_copy(update={"scenes": plan})

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self.stages)


class TrainConfig(Section):
    """One fit."""

    seed: int = Field(ge=0, description="of the sampling and the augmentation")
    threads: int = Field(default=2, ge=1, description="CPU threads torch may use")
    workers: int = Field(default=2, ge=0, description="processes that augment; 0: the fit's own")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 multiplications where the hardware has them, float32 elsewhere"
    )
    data: DataConfig = Field(description="the photographs")
    preprocessing: Preprocessing = Field(description="how a picture becomes an input, in evaluation and in the bin")
    model: ModelConfig = Field(description="the network")
    features: FeaturesConfig = Field(description="phase 1")
    finetune: FinetuneConfig = Field(description="phase 2")


def load_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a training config. changes: "finetune.stages.0.epochs=2" sets one value of it, parsed as YAML.

    Raises:
        ConfigError: the file is missing, not YAML, or a key or value in it is not allowed.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; the shipped configs are in configs/train/") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    for change in changes:
        _apply(raw, change)
    return parse_config(raw, source=str(path))


def _apply(raw: Any, change: str) -> None:
    """Set the value that `change` names in the nested dicts and lists of `raw`."""
    key, equals, text = change.partition("=")
    *parents, last = key.split(".")
    try:
        if not equals:
            raise ValueError("no = in it")
        for name in parents:
            raw = raw[int(name) if isinstance(raw, list) else name]
        raw[int(last) if isinstance(raw, list) else last] = yaml.safe_load(text)
    except (ValueError, KeyError, IndexError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"--set {change}: {error}; expected a key of the config, as finetune.stages.0.epochs=2"
        ) from None


def parse_config(raw: Any, *, source: str) -> TrainConfig:
    """Check a config that was read already; `source` stands in the errors.

    Raises:
        ConfigError: a key or value in it is not allowed.
    """
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(source, dict(e)) for e in error.errors())) from None


def _explain(source: str, error: dict[str, Any]) -> str:
    """One line: file, field, what was found, what is allowed."""
    location = [part for part in error["loc"] if part != "[key]"]
    field = ".".join(map(str, location)) or "(the whole file)"
    if error["type"] != "extra_forbidden":
        return f"{source}: {field}: {error['msg']}, found {error['input']!r}"
    return f"{source}: {field}: unknown key; allowed here: {', '.join(_keys_beside(location))}"


def _keys_beside(location: list[Any]) -> list[str]:
    """The keys a section allows, found by walking the models down to it."""
    section: type[BaseModel] = TrainConfig
    for name in location[:-1]:
        if isinstance(name, str):  # an index into a list does not change the section
            section = _section_of(section.model_fields[name].annotation)
    return sorted(section.model_fields)


def _section_of(annotation: Any) -> type[BaseModel]:
    """The model in X, X | None or tuple[X, ...]."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    raise TypeError(f"{annotation} holds no section")  # a bug: only sections have keys
