"""What an engine runs: a network's files, and the little that an engine asks of a bundle.

An engine's process knows a bundle by this alone (edge/engines/wire.py has how it hears of it), so that it needs none of
the libraries that read manifests and verify signatures.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from edge.errors import BundleError

MODEL = "model.onnx"


class Artefact(Protocol):
    """A file, as the manifest names it. runtime: what reads it. precision: of a network, None for other files."""

    @property
    def sha256(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def runtime(self) -> str: ...
    @property
    def precision(self) -> str | None: ...


class Network(Protocol):
    """What engines take. A `Bundle` is one.

    path: its folder. labels: in the order of its outputs. size_px: side of its input. precision: of model.onnx.
    precisions: those that it was packed for. artefacts: by file name.
    """

    @property
    def path(self) -> Path: ...
    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def size_px(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def precisions(self) -> Collection[str]: ...
    @property
    def artefacts(self) -> Mapping[str, Artefact]: ...

    @property
    def model_path(self) -> Path: ...

    def read(self, name: str) -> bytes:
        """The content of an artefact, checked: what an engine loads is what the manifest hashes, now as at the start.

        Raises:
            BundleError: the file is missing, truncated, replaced or changed.
        """


@dataclass(frozen=True)
class KnownArtefact:
    sha256: str
    size_bytes: int
    runtime: str
    precision: str | None


@dataclass(frozen=True)
class KnownNetwork:
    """A `Network` by what another process, which checked its bundle, says of it."""

    path: Path
    labels: Sequence[str]
    size_px: int
    precision: str
    precisions: Collection[str]
    artefacts: Mapping[str, KnownArtefact]

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    def read(self, name: str) -> bytes:
        return read_artefact(self.path / name, self.artefacts[name])


def to_document(network: Network) -> dict[str, Any]:
    """As JSON can hold it."""
    artefacts = {
        name: asdict(KnownArtefact(file.sha256, file.size_bytes, file.runtime, file.precision))
        for name, file in network.artefacts.items()
    }
    return {
        "path": str(network.path), "labels": list(network.labels), "size_px": network.size_px,
        "precision": network.precision, "precisions": list(network.precisions), "artefacts": artefacts,
    }  # fmt: skip


def from_document(document: Mapping[str, Any]) -> KnownNetwork:
    """What `to_document` made."""
    artefacts = {name: KnownArtefact(**file) for name, file in document["artefacts"].items()}
    return KnownNetwork(**{**document, "path": Path(document["path"]), "artefacts": artefacts})


def read_artefact(path: Path, artefact: Artefact) -> bytes:
    """The content of a bundle's file, if it is what the manifest says.

    Raises:
        BundleError: the file is missing, truncated, replaced or changed.
    """
    try:
        content = read_file(path, artefact.size_bytes)
    except FileNotFoundError:
        raise BundleError(f"{path}: missing, the manifest names it; copy the bundle again") from None
    if len(content) != artefact.size_bytes:
        raise BundleError(
            f"{path}: {len(content)} bytes, the manifest says {artefact.size_bytes}; truncated or replaced, copy it "
            "again"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != artefact.sha256:
        raise BundleError(
            f"{path}: sha256 {found[:12]}…, the manifest says {artefact.sha256[:12]}…; the file was changed"
        )
    return content


def read_file(path: Path, max_bytes: int) -> bytes:
    """The content of one of a bundle's files.

    Raises:
        FileNotFoundError: there is none; what that means the caller knows.
        BundleError: a link, a folder or another thing that is no file, longer than `max_bytes`, or unreadable.
    """
    try:
        # A link could lead anywhere, and elsewhere tomorrow. A named pipe would keep a blocking open waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path}: not a file; copy it again")
            if status.st_size > max_bytes:
                raise BundleError(
                    f"{path}: {status.st_size} bytes, expected {max_bytes} at most; replaced, copy it again"
                )
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(status.st_size)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:  # what O_NOFOLLOW says of a link
            raise BundleError(f"{path}: a symbolic link; put the file itself here") from None
        raise BundleError(f"{path}: {error.strerror}; expected a file that this user can read") from None
