"""Pictures, networks and checkpoints for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from export.torchvision_compat import models

LABELS = ("glass", "paper", "trash")
SIZE_PX = 64


def picture(label: int, seed: int) -> NDArray[np.uint8]:
    """(48, 64, 3) uint8 RGB: stripes in the label's colour and direction, with noise."""
    rng = np.random.default_rng([label, seed])
    y, x = np.mgrid[:48, :64]
    wave = 60 * np.sin((x if label == 1 else y if label == 0 else x + y) / (3 + label) + rng.uniform(0, 6))
    rgb = np.stack([110 + wave * (channel == label) + 40 * (channel == label) for channel in range(3)], axis=-1)
    return np.clip(rgb + rng.normal(0, 15, rgb.shape), 0, 255).astype(np.uint8)


def save(rgb: NDArray[np.uint8], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def random_resnet(arch: str, classes: int) -> Any:
    """Random weights, and batch norms that do something."""
    torch.manual_seed(3)
    network = getattr(models, arch)(num_classes=classes)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.6, 1.6)
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def checkpoint_content(network: Any, arch: str, labels: tuple[str, ...], size_px: int) -> dict[str, Any]:
    """What train/checkpoint.py documents."""
    return {
        "format": 1,
        "arch": arch,
        "stem": "relu6",
        "labels": list(labels),
        "state_dict": network.state_dict(),
        "preprocessing": {"size_px": size_px, "resize": "squash", "interpolation": "area", "colour": "rgb"},
        "normalisation": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        "config": {"seed": 1},
        "provenance": {
            "data_sha256": "0" * 64, "split": "reference", "seed": 1, "weights_sha256": "", "git_commit": "unknown",
            "phase": 2, "epoch": 1, "validation": {"right": 1, "total": 1},
        },
    }  # fmt: skip


def fit_head(network: Any) -> None:
    """Ridge regression from pooled features to the labels' indicators, ten fresh pictures of each."""
    pictures = np.stack([cv2.resize(picture(k, 200 + i), (SIZE_PX, SIZE_PX)) for k in range(3) for i in range(10)])
    wanted = 8 * torch.eye(3).repeat_interleave(10, dim=0) - 2  # (30, 3)
    network.fc = torch.nn.Identity()
    x = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.225
    with torch.inference_mode():
        features = network(x)  # (30, 512)
    features = torch.cat([features, torch.ones(30, 1)], dim=1).double()
    weights = torch.linalg.solve(features @ features.T + torch.eye(30), wanted.double())
    solution = (features.T @ weights).float()  # (513, 3)
    network.fc = torch.nn.Linear(512, 3)
    network.fc.load_state_dict({"weight": solution[:-1].T, "bias": solution[-1]})
