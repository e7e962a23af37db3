"""The pictures in a bundle's report. No signature covers them: people look at them, and nothing is decided by them."""

from __future__ import annotations

from pathlib import Path

from edge.bundle.manifest import Manifest
from edge.errors import BundleError
from edge.network import read_file

PICTURES = {
    "confusion": "evaluation.json",
    "calibration": "evaluation.json",
    "robustness": "robustness.json",
    "benchmark": "benchmark.json",
}
"""Each with the figures that it was drawn from; they name the network."""
MAX_BYTES = 4 << 20
"""Of a file; the largest that ships has 0.6 MB."""


def pictures_of(bundle: Path, manifest: Manifest) -> list[str]:
    """Those that were drawn for this network; what another network's report shows is left out."""
    network = manifest.artefacts["model.onnx"].sha256.encode()
    return [name for name, figures in PICTURES.items() if _there(bundle, name) and network in _read(bundle, figures)]


def picture_of(bundle: Path, name: str) -> bytes:
    """A PNG file.

    Raises:
        BundleError: there is none that can be read.
    """
    path = bundle / "report" / f"{name}.png"
    try:
        return read_file(path, MAX_BYTES)
    except FileNotFoundError:
        raise BundleError(f"{path}: missing") from None


def _there(bundle: Path, name: str) -> bool:
    return (bundle / "report" / f"{name}.png").is_file()


def _read(bundle: Path, figures: str) -> bytes:
    try:
        return read_file(bundle / "report" / figures, MAX_BYTES)
    except (OSError, BundleError):
        return b""
