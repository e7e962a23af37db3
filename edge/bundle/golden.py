"""The golden self-test: a few pictures with the reference network's logits.

The pictures are the project's own renders. The reference is the float32 network in torch. An engine that does not
come close enough to it on this machine is not allowed to sort.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle.manifest import MAX_ARTEFACT_BYTES
from edge.domain import Engine
from edge.errors import BundleError, GoldenMismatch
from edge.network import read_file

MAX_UNPACKED_BYTES = 64 << 20
"""Twenty pictures of the largest size that a manifest may name; golden.npz is compressed, a bomb as well."""


@dataclass(frozen=True, eq=False)
class Golden:
    """images: (N, size, size, 3) uint8 RGB. logits: (N, K) float32, finite, the reference. labels: the K names."""

    images: NDArray[np.uint8]
    logits: NDArray[np.float32]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        n, k = len(self.images), len(self.labels)
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[-1] != 3 or n == 0:
            raise ValueError(f"images are (N, size, size, 3) uint8, found {self.images.shape} {self.images.dtype}")
        if self.logits.dtype != np.float32 or self.logits.shape != (n, k):
            raise ValueError(f"logits are ({n}, {k}) float32, found {self.logits.shape} {self.logits.dtype}")
        if not np.isfinite(self.logits).all():
            raise ValueError("a logit is not a finite number; no engine could be held against it")


def read_golden(path: Path) -> Golden:
    """Read golden.npz.

    Raises:
        BundleError: missing, damaged, or with arrays of wrong shapes.
    """
    try:
        return parse_golden(read_file(path, MAX_ARTEFACT_BYTES), path)
    except FileNotFoundError:
        raise BundleError(f"{path}: missing; copy the bundle again") from None


def parse_golden(content: bytes, path: Path) -> Golden:
    """The golden set that these bytes are. `path` stands in the errors.

    Raises:
        BundleError: not a set of arrays, larger than MAX_UNPACKED_BYTES, or with arrays of wrong shapes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as members:
            # zipfile reads no more of a member than the size that is declared here.
            unpacked = sum(member.file_size for member in members.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise ValueError(f"{unpacked} bytes unpacked, expected {MAX_UNPACKED_BYTES} at most")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Golden(arrays["images"], arrays["logits"], tuple(str(label) for label in arrays["labels"]))
    except Exception as error:  # zipfile, the decompressors and NumPy's header parser raise a dozen kinds over damage
        raise BundleError(f"{path}: not a golden set ({error}); copy the bundle again") from error


def write_golden(golden: Golden, path: Path) -> None:
    """Write golden.npz."""
    np.savez_compressed(path, images=golden.images, logits=golden.logits, labels=np.array(golden.labels))


def self_test(engine: Engine, golden: Golden, tolerance: float) -> float:
    """Run the golden pictures, one at a time as the bin will; return the largest logit difference.

    Raises:
        GoldenMismatch: the engine fails; a logit is further than `tolerance` from the reference or not finite; or a
            top-1 differs.
    """
    try:
        logits = np.concatenate([engine.infer(image[np.newaxis])[0] for image in golden.images])  # (N, K)
    except Exception as error:  # a graph that loads may still fail when it runs; engines' errors share no other base
        raise GoldenMismatch(
            f"{engine.name}: golden self-test failed: {error}; this engine must not sort: rebuild it, or export the "
            "bundle again"
        ) from error
    if logits.shape != golden.logits.shape or not np.isfinite(logits).all():
        raise GoldenMismatch(
            f"{engine.name}: golden self-test gave logits {logits.shape}, finite: {bool(np.isfinite(logits).all())}; "
            f"expected {golden.logits.shape}, all finite"
        )
    difference = float(np.abs(logits - golden.logits).max())
    if not difference <= tolerance:  # so written, a number that is none is refused too
        raise GoldenMismatch(
            f"{engine.name}: golden self-test is off by {difference:.3f} at most, allowed {tolerance:.3f}; "
            "this engine must not sort: rebuild it, or export the bundle again"
        )
    if (logits.argmax(axis=1) != golden.logits.argmax(axis=1)).any():
        raise GoldenMismatch(
            f"{engine.name}: golden self-test names another top-1 than the reference; it must not sort"
        )
    return difference
