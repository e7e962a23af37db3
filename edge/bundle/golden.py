"""The golden self-test: a few pictures with the reference network's logits.

The pictures are the project's own renders. The reference is the float32 network in torch. An engine that does not
come close enough to it on this machine is not allowed to sort.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.domain import Engine
from edge.errors import BundleError, GoldenMismatch


@dataclass(frozen=True, eq=False)
class Golden:
    """images: (N, size, size, 3) uint8 RGB. logits: (N, K) float32, the reference. labels: the K names."""

    images: NDArray[np.uint8]
    logits: NDArray[np.float32]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        n, k = len(self.images), len(self.labels)
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[-1] != 3 or n == 0:
            raise ValueError(f"images are (N, size, size, 3) uint8, found {self.images.shape} {self.images.dtype}")
        if self.logits.dtype != np.float32 or self.logits.shape != (n, k):
            raise ValueError(f"logits are ({n}, {k}) float32, found {self.logits.shape} {self.logits.dtype}")


def read_golden(path: Path) -> Golden:
    """Read golden.npz.

    Raises:
        BundleError: missing, damaged, or with arrays of wrong shapes.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Golden(arrays["images"], arrays["logits"], tuple(str(label) for label in arrays["labels"]))
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"{path}: not a golden set ({error}); copy the bundle again") from None


def write_golden(golden: Golden, path: Path) -> None:
    """Write golden.npz."""
    np.savez_compressed(path, images=golden.images, logits=golden.logits, labels=np.array(golden.labels))


def self_test(engine: Engine, golden: Golden, tolerance: float) -> float:
    """Run the golden pictures, one at a time as the bin will; return the largest logit difference.

    Raises:
        GoldenMismatch: a logit is further than `tolerance` from the reference, is not finite, or a top-1 differs.
    """
    logits = np.concatenate([engine.infer(image[np.newaxis])[0] for image in golden.images])  # (N, K)
    if logits.shape != golden.logits.shape or not np.isfinite(logits).all():
        raise GoldenMismatch(
            f"{engine.name}: golden self-test gave logits {logits.shape}, finite: {bool(np.isfinite(logits).all())}; "
            f"expected {golden.logits.shape}, all finite"
        )
    difference = float(np.abs(logits - golden.logits).max())
    if difference > tolerance:
        raise GoldenMismatch(
            f"{engine.name}: golden self-test is off by {difference:.3f} at most, allowed {tolerance:.3f}; "
            "this engine must not sort: rebuild it, or export the bundle again"
        )
    if (logits.argmax(axis=1) != golden.logits.argmax(axis=1)).any():
        raise GoldenMismatch(
            f"{engine.name}: golden self-test names another top-1 than the reference; it must not sort"
        )
    return difference
