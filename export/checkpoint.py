"""What training left: read, checked, and as the torch network that every exported form must reproduce.

The format is described at the top of train/checkpoint.py. The two programs share that file, not code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from edge.bundle.preprocess import Preprocessing
from edge.errors import ConfigError
from export.torchvision_compat import models

FORMAT = 1
"""The checkpoint format this program reads."""

Rgb = tuple[float, float, float]
Spread = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    # Not "forbid": a checkpoint may record more than an exporter needs, such as its training config.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Normalisation(_Part):
    """x = (pixel / 255 - mean) / std, channel by channel, for RGB."""

    mean: Rgb
    std: tuple[Spread, Spread, Spread]


class Origin(_Part):
    """The checkpoint's provenance."""

    data_sha256: str
    split: str
    seed: int
    weights_sha256: str
    git_commit: str


class Header(_Part):
    """A checkpoint without its weights."""

    format: Literal[1]
    arch: Literal["resnet18", "resnet50"]
    stem: Literal["relu", "relu6"]
    labels: tuple[str, ...] = Field(min_length=2)
    preprocessing: Preprocessing
    normalisation: Normalisation
    provenance: Origin


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """header: what the file says of itself. network: torchvision's ResNet with its weights, float32, in eval mode."""

    path: Path
    header: Header
    network: nn.Module

    @torch.inference_mode()
    def reference_logits(self, images: NDArray[np.uint8], batch: int = 32) -> NDArray[np.float32]:
        """(N, size, size, 3) uint8 RGB → logits (N, K) float32, as training computed them."""
        mean = torch.tensor(self.header.normalisation.mean).view(3, 1, 1)
        std = torch.tensor(self.header.normalisation.std).view(3, 1, 1)
        parts = []
        for start in range(0, len(images), batch):
            pixels = torch.from_numpy(images[start : start + batch]).permute(0, 3, 1, 2).float()  # (B, 3, size, size)
            logits: Tensor = self.network((pixels / 255 - mean) / std)
            parts.append(logits.numpy())
        return np.asarray(np.concatenate(parts), np.float32)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint that `python -m train fit` wrote.

    Raises:
        ConfigError: not a checkpoint, one of another format, or one whose weights do not fit its network.
    """
    content = _load(path)
    if content.get("format") != FORMAT:
        raise ConfigError(
            f"{path}: checkpoint format {content.get('format')!r}, this program reads {FORMAT}; "
            "give best.pt or phase1.pt of a fit, made by the train/ of the same version"
        )
    try:
        header = Header.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg']} (found {first['input']!r:.80}); train it again") from None
    return Checkpoint(path, header, _network(path, header, content.get("state_dict")))


def _load(path: Path) -> dict[str, object]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected best.pt of a fit (python -m train fit)") from None
    except Exception as error:  # torch.load has no error of its own: pickle, zip, OS and runtime errors all occur
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(f"{path}: not a torch checkpoint ({reason}); expected best.pt of a fit") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds a {type(content).__name__}, expected the dict of a fit")
    return content


def _network(path: Path, header: Header, state: object) -> nn.Module:
    network: nn.Module = getattr(models, header.arch)(weights=None, num_classes=len(header.labels))
    if header.stem == "relu6":
        network.relu = nn.ReLU6(inplace=True)  # in torchvision's ResNet `relu` is the stem's alone
    if isinstance(state, dict):
        _take_widths(network, state)
    try:
        network.load_state_dict(state)  # type: ignore[arg-type]  # refuses anything but a state dict, by TypeError
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(f"{path}: its weights are not those of {header.arch}: {reason}") from None
    return network.eval()


def _take_widths(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Between two convolutions of a block, as many channels as `state` has there: pruning leaves fewer."""
    for name, block in list(network.named_modules()):
        for giver, norm, taker in (("conv1", "bn1", "conv2"), ("conv2", "bn2", "conv3")):
            weight = state.get(f"{name}.{giver}.weight")
            if not name.startswith("layer") or not hasattr(block, taker) or weight is None:
                continue
            first, second = block.get_submodule(giver), block.get_submodule(taker)
            block.set_submodule(giver, _resized(first, first.in_channels, len(weight)))
            block.set_submodule(norm, nn.BatchNorm2d(len(weight)))
            block.set_submodule(taker, _resized(second, len(weight), second.out_channels))


def _resized(conv: nn.Module, inputs: int, outputs: int) -> nn.Conv2d:
    assert isinstance(conv, nn.Conv2d)
    side = conv.kernel_size[0]
    return nn.Conv2d(inputs, outputs, side, conv.stride[0], padding=side // 2, bias=False)
