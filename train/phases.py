"""Phase 1: a linear head on frozen features. Each photograph passes once; the rest takes seconds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from edge.bundle.preprocess import Preprocessing
from train.config import FeaturesConfig
from train.data import Photos, data_sha256, load_inputs
from train.distributed import mixed
from train.metrics import summarise
from train.model import folded, normalise, stages, state_sha256


@torch.no_grad()
def extract_features(
    model: nn.Module, inputs: NDArray[np.uint8], batch: int, precision: torch.dtype = torch.float32
) -> Tensor:
    """(N, S, S, 3) uint8 → (N, F) float32: what the classifier is fed (F = 2048 for ResNet50)."""
    body = nn.Sequential(*(folded(block) for block in list(stages(model).values())[:-1]))
    device = next(model.parameters()).device
    rows = []
    for start in tqdm(range(0, len(inputs), batch), desc="features", unit="batch"):
        pixels = torch.from_numpy(inputs[start : start + batch]).to(device)
        with mixed(device, precision):
            x = body(normalise(pixels))  # (B, F, S/32, S/32)
        rows.append(x.float().mean(dim=(2, 3)).cpu())  # (B, F)
    return torch.cat(rows)


def cached_features(
    model: nn.Module,
    photos: Photos,
    spec: Preprocessing,
    batch: int,
    cache: Path,
    *,
    part: str,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """`extract_features` of the photographs, kept in the folder `cache` under the hash of all they depend on."""
    body = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("fc.")}
    depends_on = (
        state_sha256(body), type(model.relu).__name__, data_sha256(photos), spec.model_dump_json(), str(precision)
    )  # fmt: skip
    key = hashlib.sha256("\n".join(depends_on).encode()).hexdigest()[:16]
    file = cache / f"features-{part}-{key}.npy"
    if file.exists():
        return torch.from_numpy(np.load(file))
    features = extract_features(model, load_inputs(photos, spec, progress=f"decode {part}"), batch, precision)
    cache.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp.npy")
    np.save(temporary, features.numpy())
    temporary.replace(file)
    return features


def fit_head(
    features: Tensor, targets: Tensor, classes: int, *, l2: float, steps: int, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression by L-BFGS from zero: weight (K, F), bias (K,)."""
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=steps, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        logits = functional.linear(features, weight, bias)  # (N, K)
        loss = functional.cross_entropy(logits, targets, label_smoothing=label_smoothing) + l2 * weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return weight.detach(), bias.detach()


def train_head(
    model: nn.Module,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    config: FeaturesConfig,
    label_smoothing: float,
) -> dict[str, float]:
    """Put into `model` the head, of those of `config.l2`, that validation likes best; return its figures.

    `train` and `validation` are (features (N, F) float32, targets (N,) int64).
    """
    best: dict[str, float] = {}
    for l2 in config.l2:
        weight, bias = fit_head(
            *train, model.fc.out_features, l2=l2, steps=config.steps, label_smoothing=label_smoothing
        )
        logits = functional.linear(validation[0], weight, bias).numpy()
        figures = summarise(logits, validation[1].numpy())
        print(f"phase 1: l2 {l2:g}: validation {figures['right']}/{figures['total']}, nll {figures['nll']:.3f}")
        if not best or (figures["right"], -figures["nll"]) > (best["right"], -best["nll"]):
            best = figures
            with torch.no_grad():
                model.fc.weight.copy_(weight)
                model.fc.bias.copy_(bias)
    return best
