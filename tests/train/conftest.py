"""A data set, weights and a config small enough that a whole fit takes a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

CLASSES = ("blue", "green", "red")
SHIPPED = Path(__file__).parents[2] / "configs" / "train" / "resnet50.yaml"


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 14 noisy pictures, 64 x 48 pixels, each class of another tint."""
    root = tmp_path_factory.mktemp("photos") / "tints"
    rng = np.random.default_rng(0)
    for channel, label in enumerate(CLASSES):
        (root / label).mkdir(parents=True)
        for i in range(14):
            bgr = rng.integers(0, 160, (48, 64, 3), dtype=np.uint8)
            bgr[..., channel] += 60
            cv2.imwrite(str(root / label / f"{label}{i}.png"), bgr)
    return root


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ResNet18 weights that know nothing, in the same form as downloaded ones."""
    torch = pytest.importorskip("torch")
    from train.model import build

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pt"
    torch.save({name: t.half() for name, t in build("resnet18", "relu", 1000).state_dict().items()}, path)
    return path


@pytest.fixture
def settings() -> dict[str, Any]:
    """A fresh copy, to be changed by the test."""
    return small_settings()


def small_settings() -> dict[str, Any]:
    """The shipped config shrunk: ResNet18, 32 pixels, two epochs, the last two blocks learning."""
    raw: dict[str, Any] = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    raw["threads"] = 1
    raw["data"].update(drop_from_training=[], memory_height_px=48)
    raw["preprocessing"]["size_px"] = 32
    raw["model"].update(arch="resnet18", file_stem="relu6")
    raw["features"].update(steps=20)
    raw["finetune"].update(epochs=2, batch=10, rates={"fc": 3e-4, "layer4": 1.5e-4})
    raw["finetune"]["augment"]["crop_px"] = 32
    return raw
