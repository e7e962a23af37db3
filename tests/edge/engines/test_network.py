"""What an engine's process is told of a bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge.bundle import Bundle, load_bundle
from edge.engines.cache import key_of
from edge.errors import BundleError
from edge.network import KnownNetwork, Network, from_document, to_document


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    shipped = Path(__file__).parents[3] / "models" / "resnet50-trashnet"
    return load_bundle(Path(shutil.copytree(shipped, tmp_path / "bundle")))


def told(network: Network) -> KnownNetwork:
    return from_document(json.loads(json.dumps(to_document(network))))


def test_it_knows_of_the_network_what_the_bundle_does(bundle: Bundle) -> None:
    network = told(bundle)
    for name in ("path", "model_path", "labels", "size_px", "precision"):
        assert getattr(network, name) == getattr(bundle, name), name
    assert list(network.precisions) == list(bundle.precisions)
    assert network.artefacts.keys() == bundle.artefacts.keys()
    assert key_of(network, "some 1.0") == key_of(bundle, "some 1.0"), "one engine is built for both"
    assert network.read("model.onnx") == bundle.read("model.onnx")
    assert to_document(network) == to_document(bundle)


def test_a_file_that_was_changed_since_is_not_read(bundle: Bundle) -> None:
    network = told(bundle)
    content = bytearray(network.model_path.read_bytes())
    content[1_000] ^= 1
    network.model_path.write_bytes(content)
    with pytest.raises(BundleError, match="the file was changed"):
        network.read("model.onnx")
    network.model_path.write_bytes(content[:-1])
    with pytest.raises(BundleError, match="truncated or replaced"):
        network.read("model.onnx")
    network.model_path.unlink()
    with pytest.raises(BundleError, match="missing"):
        network.read("model.onnx")
