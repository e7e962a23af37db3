"""The bundle: what a model is to a bin. The contract between `export`, which packs it, and `edge`, which runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.bundle.golden import Golden, read_golden, self_test, write_golden
from edge.bundle.manifest import Manifest, read_manifest, sha256_of, write_manifest
from edge.bundle.preprocess import Preprocessing, decode, read_picture, to_input
from edge.domain import ModelId
from edge.errors import BundleError

__all__ = [
    "Bundle",
    "Golden",
    "Manifest",
    "Preprocessing",
    "decode",
    "load_bundle",
    "read_golden",
    "read_manifest",
    "read_picture",
    "self_test",
    "sha256_of",
    "to_input",
    "write_golden",
    "write_manifest",
]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there and are what the manifest says."""

    path: Path
    manifest: Manifest
    golden: Golden

    @property
    def model_path(self) -> Path:
        return self.path / "model.onnx"

    @property
    def model_id(self) -> ModelId:
        return ModelId(self.manifest.name, self.manifest.version, self.manifest.artefacts["model.onnx"].sha256)

    @property
    def golden_tolerance(self) -> float:
        """The largest logit difference allowed for model.onnx's precision."""
        return self.manifest.golden_tolerance[self.manifest.precision]


def load_bundle(path: Path) -> Bundle:
    """Read a bundle folder and check every file against the manifest.

    Raises:
        BundleError: a file is missing, truncated or changed; labels disagree; the schema is newer than this program.
    """
    manifest = read_manifest(path / "manifest.json")
    for name, artefact in manifest.artefacts.items():
        file = path / name
        if not file.is_file():
            raise BundleError(f"{file}: missing, the manifest names it; copy the bundle again")
        size = file.stat().st_size
        if size != artefact.size_bytes:
            raise BundleError(
                f"{file}: {size} bytes, the manifest says {artefact.size_bytes}; truncated or replaced, copy it again"
            )
        found = sha256_of(file)
        if found != artefact.sha256:
            raise BundleError(
                f"{file}: sha256 {found[:12]}…, the manifest says {artefact.sha256[:12]}…; the file was changed"
            )
    golden = read_golden(path / "golden.npz")
    if list(golden.labels) != manifest.labels:
        raise BundleError(
            f"{path}: the manifest's labels {manifest.labels} are not the golden set's {list(golden.labels)}"
        )
    side = manifest.preprocessing.size_px
    if golden.images.shape[1:3] != (side, side):
        raise BundleError(f"{path}: golden pictures are {golden.images.shape[1:3]}, the manifest's size_px is {side}")
    return Bundle(path, manifest, golden)
