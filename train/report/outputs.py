"""What a network answers to photographs, kept on disk: the second report of a run waits for nothing.

A file is named after everything that its content depends on, so it is never out of date; an older one of the same
kind is removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from edge.bundle import Bundle, Preprocessing
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import ConfigError
from train.data import Photos, data_sha256, load_inputs
from train.model import folded, normalise, stages

BATCH = 32


@dataclass(frozen=True, eq=False)
class Outputs:
    """Of N photographs."""

    class_maps: NDArray[np.float32]
    """(N, K, h, w) evidence for each class at each place, logits: their mean over places is the network's logit"""
    features: NDArray[np.float32]
    """(N, F) what the classifier is fed, pooled"""

    @property
    def logits(self) -> NDArray[np.float32]:
        """(N, K)"""
        return np.asarray(self.class_maps.mean(axis=(2, 3)), np.float32)


@torch.inference_mode()
def network_outputs(network: nn.Module, inputs: NDArray[np.uint8], *, progress: str) -> Outputs:
    """(N, S, S, 3) uint8 RGB → class maps and features.

    The head is linear and comes after the mean over places, so it may as well come before: class activation maps
    (Zhou et al. 2016) are exact here, no approximation.
    """
    body = nn.Sequential(*(folded(block) for block in list(stages(network).values())[:-1]))
    weight, bias = network.get_parameter("fc.weight")[:, :, None, None], network.get_parameter("fc.bias")
    maps, features = [], []
    for start in tqdm(range(0, len(inputs), BATCH), desc=progress, unit="batch"):
        x = body(normalise(torch.from_numpy(inputs[start : start + BATCH])))  # (B, F, h, w)
        maps.append(functional.conv2d(x, weight, bias).contiguous().numpy())  # (B, K, h, w)
        features.append(x.mean(dim=(2, 3)).numpy())  # (B, F)
    return Outputs(np.concatenate(maps), np.concatenate(features))


def cached_outputs(
    network: nn.Module, photos: Photos, spec: Preprocessing, cache: Path, *, model_sha256: str, part: str
) -> Outputs:
    """`network_outputs` of the photographs of one part of a split, kept in the folder `cache`."""

    def compute() -> dict[str, NDArray[np.float32]]:
        found = network_outputs(network, load_inputs(photos, spec, progress=f"decode {part}"), progress=part)
        return {"class_maps": found.class_maps, "features": found.features}

    return Outputs(**_kept(cache, f"network-{part}", _key(model_sha256, photos), compute))


def cached_bundle_logits(bundle: Bundle, photos: Photos, cache: Path, *, part: str) -> NDArray[np.float32]:
    """Logits (N, K) of the bundle's model.onnx as it ships, columns in the order of `photos.labels`; kept in `cache`.

    Raises:
        ConfigError: the bundle knows other labels.
    """
    order = _columns(bundle, photos.labels)

    def compute() -> dict[str, NDArray[np.float32]]:
        inputs = load_inputs(photos, bundle.manifest.preprocessing, progress=f"decode {part}")
        with OnnxRuntimeEngine(bundle) as engine:
            # One at a time, as in the bin: int8 kernels may round a batch differently.
            rows = [engine.infer(image[None])[0] for image in tqdm(inputs, desc=f"bundle, {part}", unit="photo")]
        return {"logits": np.concatenate(rows)[:, order]}

    key = _key(bundle.manifest.artefacts["model.onnx"].sha256, photos)
    return _kept(cache, f"bundle-{part}", key, compute)["logits"]


def _columns(bundle: Bundle, labels: Sequence[str]) -> list[int]:
    known = list(bundle.manifest.labels)
    if sorted(known) != sorted(labels):
        raise ConfigError(
            f"{bundle.path}: knows {', '.join(known)}; the run knows {', '.join(labels)}; "
            "give the bundle that was exported from this run"
        )
    return [known.index(label) for label in labels]


def _key(model_sha256: str, photos: Photos) -> str:
    parts = [model_sha256, data_sha256(photos), *photos.labels, *photos.names]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _kept(
    cache: Path, kind: str, key: str, compute: Callable[[], dict[str, NDArray[np.float32]]]
) -> dict[str, NDArray[np.float32]]:
    """What `compute` returns, from the file that an earlier call left where there is one."""
    path = cache / f"{kind}-{key}.npz"
    if path.exists():
        with np.load(path) as arrays:
            return dict(arrays)
    found = compute()
    cache.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **found)  # type: ignore[arg-type]  # its stub takes one of the arrays for allow_pickle
    for older in cache.glob(f"{kind}-*.npz"):
        if older != temporary:
            older.unlink()
    temporary.replace(path)
    return found
