"""The manifest: everything a bin must know of a model besides its weights.

`python -m edge schema manifest` prints its JSON Schema; docs/bundle.md explains it field by field.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.bundle.preprocess import Preprocessing
from edge.errors import BundleError
from edge.network import read_file

SCHEMA = 1
"""The manifest schema this program reads and writes."""

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
"""The manifest that ships has 3 kB."""
MAX_ARTEFACT_BYTES = 1 << 30
"""A file is read into memory to be checked; the float32 network that int8 is made from has 94 MB."""

Precision = Literal["fp32", "fp16", "int8"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Tolerance = Annotated[float, Field(gt=0.0, le=100.0)]
# 2**53: beyond it other readers of JSON round.
Count = Annotated[int, Field(ge=0, le=2**53)]
# No separators, no "..", nothing that a shell or a terminal understands.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _Strict(BaseModel):
    # allow_inf_nan: JSON readers take NaN, and no difference is larger than a tolerance that is not a number.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Artefact(_Strict):
    """A file of the bundle."""

    sha256: Sha256
    size_bytes: int = Field(gt=0, le=MAX_ARTEFACT_BYTES)
    runtime: Literal["onnxruntime", "numpy", "executorch"] = Field(description="what reads it")
    precision: Precision | None = Field(None, description="numeric precision of a network, absent for other files")


class Novelty(_Strict):
    """When an item is like nothing the network was trained on."""

    score: Literal["energy"] = Field(description="-logsumexp(logits) at temperature 1, Liu et al. 2020")
    threshold: float = Field(ge=-1e4, le=1e4, description="above it the item goes to residual")
    quantile: Probability = Field(description="the share of validation photographs below the threshold")


class Promise(_Strict):
    """A contamination that the bundle promises, and what keeping it did to the validation photographs."""

    promised: float = Field(gt=0, lt=1, description="at most this share of the items sorted automatically is wrong")
    min_probability: Probability = Field(description="the least probability that is believed to keep it")
    sorted: Count = Field(gt=0, description="validation photographs with at least that probability")
    wrong: Count = Field(description="those of them with a wrong label")
    total: Count = Field(gt=0, description="validation photographs")


class Metrics(_Strict):
    """An accuracy with what is needed to judge it."""

    precision: Precision
    split: str
    right: Count
    total: Count = Field(gt=0)
    accuracy: Probability
    interval95: tuple[Probability, Probability] = Field(description="Wilson score interval")
    macro_f1: Probability
    command: str = Field(description="reproduces the figure")


class Provenance(_Strict):
    """Where the weights come from."""

    git_commit: str = Field(description="of the code that trained")
    data_sha256: Sha256 = Field(description="over the training set's sorted file names and their sha256")
    weights_sha256: str = Field(description="of the pretrained weights' state dict; empty for torchvision's download")
    split: str
    seed: int = Field(ge=0, lt=2**64)
    calibration: str = Field(description="how the int8 ranges were found")
    metrics: list[Metrics]


class Manifest(_Strict):
    """manifest.json."""

    schema_version: int = Field(SCHEMA, alias="schema", ge=1, le=SCHEMA)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    version: str = Field(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$")
    licence: str
    labels: list[str] = Field(min_length=2, description="in the order of the network's outputs")
    preprocessing: Preprocessing
    temperature: float = Field(gt=0, le=100, description="probabilities = softmax(logits / temperature)")
    acceptance: dict[str, Probability] = Field(description="per label, the least probability that is believed")
    contamination: list[Promise] = Field(
        default_factory=list, description="the promises a site may choose from; absent from older bundles"
    )
    novelty: Novelty
    golden_tolerance: dict[Precision, Tolerance] = Field(
        description="per precision, the largest difference from the reference logits that an engine may show"
    )
    artefacts: dict[str, Artefact] = Field(description="file name → what it is; model.onnx and golden.npz are required")
    provenance: Provenance

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels: {self.labels} names a label twice")
        if set(self.acceptance) != set(self.labels):
            raise ValueError(
                f"acceptance: its labels {sorted(self.acceptance)} are not the labels {sorted(self.labels)}"
            )
        promises = [row.promised for row in self.contamination]
        if len(set(promises)) != len(promises):
            raise ValueError(f"contamination: {promises} promises one share twice")
        for required in ("model.onnx", "golden.npz"):
            if required not in self.artefacts:
                raise ValueError(f"artefacts: {required} is missing")
        for name in self.artefacts:
            if not _FILE_NAME.fullmatch(name):
                raise ValueError(f"artefacts: {name!r:.80} is not a plain file name")
        precision = self.precision
        if precision not in self.golden_tolerance:
            raise ValueError(f"golden_tolerance: none for {precision}, the precision of model.onnx")
        return self

    @property
    def precision(self) -> Precision:
        """Of model.onnx."""
        precision = self.artefacts["model.onnx"].precision
        if precision is None:
            raise ValueError("artefacts: model.onnx has no precision")
        return precision


def read_manifest(path: Path) -> Manifest:
    """Read and check manifest.json. Nobody is asked whether to trust it.

    Raises:
        BundleError: missing, not JSON, of a newer schema, or with wrong or unknown fields.
    """
    return parse_manifest(manifest_content(path), path)


def manifest_content(path: Path) -> bytes:
    """The bytes of manifest.json: what a signature is made over.

    Raises:
        BundleError: missing, not a file, too large, or unreadable.
    """
    try:
        return read_file(path, MAX_MANIFEST_BYTES)
    except FileNotFoundError as error:
        raise BundleError(
            f"{path}: {error.strerror}; a bundle is a folder with manifest.json, model.onnx, golden.npz"
        ) from None


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """The manifest that these bytes are. `path` stands in the errors.

    Raises:
        BundleError: not JSON, of a newer schema, or with wrong or unknown fields.
    """
    try:
        # Decoded here: json.loads takes UTF-16 and UTF-32 for JSON as well.
        document = json.loads(content.decode(), object_pairs_hook=_each_key_once)
        text = json.dumps(document)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not JSON ({error}); the file is damaged, copy the bundle again") from None
    found = document.get("schema") if isinstance(document, dict) else None
    if isinstance(found, int) and found > SCHEMA:
        raise BundleError(f"{path}: schema {found}, this program reads up to {SCHEMA}; update the program")
    try:
        # Strict as JSON is: "3", 3.0 and true are no integers. Strict as Python is, a list would be no tuple either.
        return Manifest.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise BundleError(f"{path}: {where}: {first['msg']} (found {first['input']!r:.80})") from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice means one thing to one reader and another to the next."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r:.80} stands twice")
    return found


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write manifest.json, fields in the order of the class."""
    path.write_text(json.dumps(manifest.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False) + "\n")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()
