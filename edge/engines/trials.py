"""What `tune` found on this machine, kept between runs. Imports no runtime."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata

from edge import __version__
from edge.engines.cache import EngineCache, Key, key_of
from edge.engines.candidate import Candidate
from edge.network import Network

_LIBRARIES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "openvino", "executorch", "tensorrt")


@dataclass(frozen=True)
class Trial:
    """What tuning found of a candidate. why: the reason it must not sort; None where it may."""

    candidate: Candidate
    precision: str | None = None
    difference: float | None = None
    median_ms: float | None = None
    p90_ms: float | None = None
    why: str | None = None


def remember(trials: Sequence[Trial], network: Network, threads: int, cache: EngineCache) -> None:
    """Keep what was measured, for this machine, these libraries, this bundle.

    Raises:
        OSError: the cache's folder cannot be written.
    """
    cache.store(_key(network, threads), ".json", json.dumps([asdict(trial) for trial in trials]).encode())


def recall(network: Network, threads: int, cache: EngineCache) -> list[Trial]:
    """What `tune` found on this machine, with these libraries and this bundle; empty where it has not run."""
    kept = cache.load(_key(network, threads), ".json")
    if kept is None:
        return []
    return [Trial(**row | {"candidate": Candidate(**row["candidate"])}) for row in json.loads(kept)]


def _key(network: Network, threads: int) -> Key:
    """Of the measurement: another version of any library, or another file in the bundle, asks for a new one."""
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    files = {name: artefact.sha256 for name, artefact in network.artefacts.items()}
    return key_of(network, f"tune {__version__}", options={"threads": str(threads), **versions, **files})
