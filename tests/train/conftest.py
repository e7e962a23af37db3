"""A data set, weights and a config small enough that a whole fit takes a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import yaml

if TYPE_CHECKING:
    from train.finetune import Progress
    from train.fit import Order

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


@pytest.fixture
def one_thread() -> None:
    """For torch's work outside a fit, which sets this itself: two threads on one core wait for each other."""
    pytest.importorskip("torch").set_num_threads(1)


def small_settings() -> dict[str, Any]:
    """The shipped config shrunk: ResNet18, 32 pixels, two stages of an epoch, no scenes, no mixing, one process."""
    raw: dict[str, Any] = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    raw.update(threads=1, workers=0, precision="float32")
    raw["data"].update(memory_height_px=48)
    raw["preprocessing"].update(size_px=32)
    raw["model"].update(arch="resnet18", file_stem="relu6")
    raw["features"].update(steps=20)
    raw["finetune"].update(
        batch=10, mix=None, validate_every=1, stages=[stage("fc", "layer4"), stage("fc", "layer4", "layer3")]
    )
    raw["finetune"]["augment"].update(scenes=None, camera=0.0)
    return raw


def stage(*blocks: str, epochs: int = 1) -> dict[str, Any]:
    """A stage in which these blocks learn."""
    return {"epochs": epochs, "crop_px": 32, "rates": dict.fromkeys(blocks, 2e-4)}


def order(settings: dict[str, Any], photos: Path, weights: Path | None, out: Path, **more: Any) -> Order:
    """What a fit is asked for; more: resume, teachers, extra …"""
    from train.config import TrainConfig
    from train.fit import Order

    return Order(TrainConfig.model_validate(settings), photos, weights, out, **more)


def run_fit(settings: dict[str, Any], photos: Path, weights: Path | None, out: Path, **more: Any) -> Progress:
    """A whole fit in this process."""
    from train.fit import fit

    return fit(order(settings, photos, weights, out, **more))


def command(settings: dict[str, Any], photos: Path, weights: Path, out: Path) -> list[str]:
    """The arguments after `python -m train` of the same fit; its config is written beside `out`."""
    config = out.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return ["fit", "--config", str(config), "--data", str(photos), "--weights", str(weights), "--out", str(out)]
