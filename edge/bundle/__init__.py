"""The bundle: what a model is to a bin. The contract between `export`, which packs it, and `edge`, which runs it.

A bin opens its bundle with `load_trusted`, which asks who signed it. `load_bundle` is for bundles of one's own: it
finds damage, and no forgery.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge.bundle.golden import Golden, parse_golden, read_golden, self_test, write_golden
from edge.bundle.manifest import (
    MANIFEST,
    Manifest,
    manifest_content,
    parse_manifest,
    read_manifest,
    sha256_of,
    write_manifest,
)
from edge.bundle.preprocess import Preprocessing, decode, read_picture, to_input
from edge.bundle.signature import Trust, read_trust, signed_by
from edge.domain import ModelId
from edge.errors import BundleError
from edge.network import MODEL, Artefact, read_artefact

__all__ = [
    "Bundle",
    "Golden",
    "Manifest",
    "Preprocessing",
    "Trust",
    "decode",
    "load_bundle",
    "load_trusted",
    "read_golden",
    "read_manifest",
    "read_picture",
    "read_trust",
    "self_test",
    "sha256_of",
    "to_input",
    "write_golden",
    "write_manifest",
]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there and are what the manifest says. Engines take it as a `Network`.

    signed_by: name of the trusted key that vouches for it; None where nobody was asked, or none was needed.
    """

    path: Path
    manifest: Manifest
    golden: Golden
    signed_by: str | None = None

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def labels(self) -> Sequence[str]:
        return self.manifest.labels

    @property
    def size_px(self) -> int:
        return self.manifest.preprocessing.size_px

    @property
    def precision(self) -> str:
        return self.manifest.precision

    @property
    def precisions(self) -> Collection[str]:
        return self.manifest.golden_tolerance

    @property
    def artefacts(self) -> Mapping[str, Artefact]:
        return self.manifest.artefacts

    @property
    def model_id(self) -> ModelId:
        return ModelId(self.manifest.name, self.manifest.version, self.manifest.artefacts["model.onnx"].sha256)

    @property
    def golden_tolerance(self) -> float:
        """The largest logit difference allowed for model.onnx's precision."""
        return self.manifest.golden_tolerance[self.manifest.precision]

    def tolerance_of(self, precision: str) -> float:
        """The largest logit difference allowed for an engine that computes in this precision.

        Raises:
            BundleError: the bundle was not packed for it.
        """
        for known, tolerance in self.manifest.golden_tolerance.items():
            if known == precision:
                return tolerance
        raise BundleError(
            f"{self.path}: its golden_tolerance is for {', '.join(sorted(self.manifest.golden_tolerance))}, none for "
            f"{precision}; pack it again for this engine"
        )

    def read(self, name: str) -> bytes:
        """The content of an artefact, checked: what an engine loads is what the manifest hashes, now as at the start.

        Raises:
            BundleError: the file is missing, truncated, replaced or changed.
        """
        return read_artefact(self.path / name, self.artefacts[name])


def load_bundle(path: Path) -> Bundle:
    """Read a bundle folder and check every file against the manifest. For a bundle of one's own: nobody vouches for it.

    Raises:
        BundleError: a file is missing, truncated or changed; labels disagree; the schema is newer than this program.
    """
    return _load(path, manifest_content(path / MANIFEST))


def load_trusted(path: Path, trust: Trust) -> Bundle:
    """As `load_bundle`, for a bin: before the manifest is even parsed, its signature must be one that is trusted.

    Raises:
        BundleError: as load_bundle; the signature is damaged, of an unknown key, or does not fit; or there is none, and
            `trust` refuses that.
    """
    content = manifest_content(path / MANIFEST)  # read once: what is verified is what is parsed
    name = signed_by(content, path, trust)
    return replace(_load(path, content), signed_by=name)


def _load(path: Path, content: bytes) -> Bundle:
    manifest = parse_manifest(content, path / MANIFEST)
    for name, artefact in manifest.artefacts.items():
        file = read_artefact(path / name, artefact)
        if name == "golden.npz":
            golden = parse_golden(file, path / name)
    if list(golden.labels) != manifest.labels:
        raise BundleError(
            f"{path}: the manifest's labels {manifest.labels} are not the golden set's {list(golden.labels)}"
        )
    side = manifest.preprocessing.size_px
    if golden.images.shape[1:3] != (side, side):
        raise BundleError(f"{path}: golden pictures are {golden.images.shape[1:3]}, the manifest's size_px is {side}")
    return Bundle(path, manifest, golden)
