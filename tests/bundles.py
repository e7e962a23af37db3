"""Bundles that are not what was packed, as a careful forger or a careless packer would leave them."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from edge.bundle import Bundle


def with_file(bundle: Bundle, content: bytes, folder: Path, name: str = "model.onnx") -> Bundle:
    """The bundle in `folder`, with another content of one file, which its manifest vouches for."""
    (folder / name).write_bytes(content)
    fresh = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": max(1, len(content))}
    artefacts = bundle.manifest.artefacts | {name: bundle.manifest.artefacts[name].model_copy(update=fresh)}
    return dataclasses.replace(
        bundle, path=folder, manifest=bundle.manifest.model_copy(update={"artefacts": artefacts})
    )
