"""Every engine against torch, on every validation photograph: the same answers, or the bundle is not packed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle import Bundle
from edge.domain import Engine
from edge.engines.cache import NO_CACHE, EngineCache
from edge.engines.candidate import Candidate
from edge.engines.kinds import KINDS, missing
from edge.engines.select import opened
from edge.errors import BundleError
from export.figures import right_of

MIN_AGREEMENT = 0.99
"""Share of photographs on which an engine names the label that float32 torch names."""

REFERENCE = "torch-fp32"


@dataclass(frozen=True)
class Parity:
    """An engine's answers beside torch's. why: the reason it was not run; None where it was."""

    engine: str
    right: int = 0
    total: int = 0
    same_top1: int = 0
    largest_difference: float = 0.0
    rms_difference: float = 0.0
    why: str | None = None

    @property
    def tolerable(self) -> bool:
        """Whether it differs on no more photographs than are allowed."""
        return self.total - self.same_top1 <= allowed(self.total)


def allowed(total: int) -> int:
    """Photographs of `total` on which an engine may name another label than torch: one in a hundred, rounded down.

    Three are allowed of fewer than three hundred too: so few cannot tell one in a hundred from chance, and a network
    made from few photographs often finds two labels as good as equal.
    """
    return max(3, math.floor(total * (1 - MIN_AGREEMENT) + 1e-9))


def parity_of(
    engine: str, logits: NDArray[np.float32], reference: NDArray[np.float32], targets: NDArray[np.int64]
) -> Parity:
    """An engine's logits (N, K) beside torch's (N, K), and the truth (N,)."""
    difference = logits.astype(np.float64) - reference
    return Parity(
        engine, right_of(logits, targets), len(targets), right_of(logits, reference.argmax(axis=1)),
        float(np.abs(difference).max()), float(np.sqrt(np.mean(difference**2))),
    )  # fmt: skip


def refuse_intolerable(rows: Sequence[Parity]) -> None:
    """Let only what agrees with torch pass.

    Raises:
        BundleError: an engine names other labels than torch on more photographs than `allowed`.
    """
    for row in rows:
        if row.why is None and not row.tolerable:
            raise BundleError(
                f"{row.engine} names another label than float32 torch on {row.total - row.same_top1} of {row.total} "
                f"validation photographs, allowed {allowed(row.total)}: quantise by another recipe "
                "(python -m export CHECKPOINT --compare), or train longer"
            )


def compare_engines(
    bundle: Bundle,
    reference: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    *,
    cache: EngineCache = NO_CACHE,
) -> Iterator[Parity]:
    """Torch first, then every kind of engine: what it says of images (N, size, size, 3), or why it cannot be run.

    reference: torch, (N, size, size, 3) uint8 → logits (N, K).
    """
    wanted = reference(images)
    yield parity_of(REFERENCE, wanted, wanted, targets)
    for kind in KINDS:
        why = missing(kind, bundle)
        if why is not None:
            yield Parity(kind, why=why)
            continue
        try:
            with opened(Candidate(kind), bundle, cache) as (engine, _):
                yield parity_of(engine.name, logits_from(engine, images), wanted, targets)
        except BundleError as error:
            yield Parity(kind, why=str(error))


def logits_from(engine: Engine, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, size, size, 3) uint8 → logits (N, K), one picture at a time, as in the bin."""
    bar = tqdm(images, desc=engine.name, unit="photo", leave=False)
    return np.concatenate([engine.infer(image[np.newaxis])[0] for image in bar])
