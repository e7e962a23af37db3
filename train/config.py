"""What a fit does, read from YAML. An unknown key or a value out of range is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle.preprocess import Preprocessing
from edge.errors import ConfigError


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Which photographs are used, and how they are held."""

    split: Literal["reference"] = Field(description="reference: split-folders 70/15/15, seed 1337")
    drop_from_training: tuple[str, ...] = Field(
        default=(), description="class/file.jpg names left out of training (never of validation or test)"
    )
    memory_height_px: int = Field(
        default=288,
        ge=32,
        le=1024,
        description="height at which training photographs are kept in memory, pixels",
    )


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


class AugmentConfig(Section):
    """How far a training photograph is bent, so that the bin's camera is no surprise."""

    crop_px: int = Field(ge=32, le=1024, description="side of the training crop, pixels")
    area: tuple[float, float] = Field(description="share of the photograph a crop covers, least and most")
    aspect: tuple[float, float] = Field(description="width/height of a crop in the photograph, least and most")
    quarter_turns: bool = Field(description="turn by 0, 90, 180 or 270 degrees, each as likely")
    brightness: float = Field(ge=0, lt=1, description="factor drawn from 1 ± this")
    contrast: float = Field(ge=0, lt=1, description="factor about the mean grey, drawn from 1 ± this")
    saturation: float = Field(ge=0, lt=1, description="factor about each pixel's grey, drawn from 1 ± this")
    hue_degrees: float = Field(ge=0, le=180, description="turn of the colour circle, drawn from ± this")
    blur_probability: float = Field(ge=0, le=1, description="share of crops that are blurred")
    blur_sigma_px: tuple[float, float] = Field(description="Gaussian blur of those, least and most")


class FinetuneConfig(Section):
    """Phase 2: the top blocks learn too."""

    epochs: int = Field(ge=1, description="passes over the training photographs at most")
    batch: int = Field(ge=1, description="photographs per step")
    rates: dict[Literal["fc", "layer4", "layer3", "layer2", "layer1"], float] = Field(
        min_length=1, description="peak learning rate of each block that learns; the rest stays frozen"
    )
    weight_decay: float = Field(ge=0, description="AdamW's; biases and batch norm are exempt")
    label_smoothing: float = Field(ge=0, lt=1, description="share of the target spread over all classes")
    warmup_share: float = Field(ge=0, le=1, description="share of all steps in which the rate rises to its peak")
    class_balance: float = Field(
        ge=0,
        le=1,
        description="0 draws photographs evenly, 1 draws classes evenly, between: weight n^-balance",
    )
    ema_decay: float = Field(ge=0, lt=1, description="per-step decay of the averaged weights; 0 means no averaging")
    patience: int = Field(ge=1, description="epochs without a better validation after which training stops")
    augment: AugmentConfig = Field(description="augmentation of training photographs")


class TrainConfig(Section):
    """One fit."""

    seed: int = Field(ge=0, description="of the head's first weights, the sampling and the augmentation")
    threads: int = Field(default=2, ge=1, description="CPU threads torch may use")
    data: DataConfig = Field(description="the photographs")
    preprocessing: Preprocessing = Field(description="how a picture becomes an input, in evaluation and in the bin")
    model: ModelConfig = Field(description="the network")
    features: FeaturesConfig = Field(description="phase 1")
    finetune: FinetuneConfig = Field(description="phase 2")


def load_config(path: Path) -> TrainConfig:
    """Read a training config.

    Raises:
        ConfigError: the file is missing, not YAML, or a key or value in it is not allowed.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; the shipped configs are in configs/train/") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, dict(e)) for e in error.errors())) from None


def _explain(path: Path, error: dict[str, Any]) -> str:
    """One line: file, field, what was found, what is allowed."""
    location = [part for part in error["loc"] if part != "[key]"]
    field = ".".join(map(str, location)) or "(the whole file)"
    if error["type"] != "extra_forbidden":
        return f"{path}: {field}: {error['msg']}, found {error['input']!r}"
    return f"{path}: {field}: unknown key; allowed here: {', '.join(_keys_beside(location))}"


def _keys_beside(location: list[Any]) -> list[str]:
    """The keys a section allows, found by walking the models down to it."""
    section: type[BaseModel] = TrainConfig
    for name in location[:-1]:
        annotation = section.model_fields[name].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        section = annotation
    return sorted(section.model_fields)
