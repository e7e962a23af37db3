"""A bundle of 10 kB that ONNX Runtime runs, made without onnx: its graph is written out as protocol buffer fields.

The numbers of the fields are those of onnx/onnx.proto.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from numpy.typing import NDArray

from edge.bundle import Golden, Manifest, Trust, write_golden, write_manifest
from edge.bundle.signature import SIGNATURE, sign

SIZE_PX = 32
CELL_PX = 8
LABELS = ("glass", "metal")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
TRUST = Trust({"workshop": KEY.public_key()}, "refuse", Path("keys"))
FLOAT, UINT8, INT, INTS = 1, 2, 2, 7


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def fields(*pairs: tuple[int, int | str | bytes]) -> bytes:
    """A protocol buffer message: numbers as varints, texts and messages with their length before them."""
    parts = []
    for number, value in pairs:
        if isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        else:
            content = value.encode() if isinstance(value, str) else value
            parts.append(varint(number << 3 | 2) + varint(len(content)) + content)
    return b"".join(parts)


def node(kind: str, inputs: str, output: str, *attributes: bytes) -> bytes:
    return fields(*((1, name) for name in inputs.split()), (2, output), (4, kind), *((5, a) for a in attributes))


def ints(name: str, *values: int) -> bytes:
    return fields((1, name), *((8, value) for value in values), (20, INTS))


def integer(name: str, value: int) -> bytes:
    return fields((1, name), (3, value), (20, INT))


def tensor(name: str, kind: int, *shape: int | str) -> bytes:
    dims = fields(*((1, fields((1 if isinstance(size, int) else 2, size))) for size in shape))
    return fields((1, name), (2, fields((1, fields((1, kind), (2, dims))))))


def weights_of(seed: int) -> NDArray[np.float32]:
    """(K, 3, 8, 8) float32, in steps of 2**-10, so that sums are exact whatever their order."""
    steps = np.random.default_rng(seed).integers(-16, 17, (len(LABELS), 3, CELL_PX, CELL_PX))
    return (steps / 1024).astype(np.float32)


def graph_of(weights: NDArray[np.float32], labels: list[str]) -> bytes:
    """image (N, 32, 32, 3) uint8 → class_maps (N, K, 4, 4), each cell weighted, and logits (N, K), their mean."""
    cells = SIZE_PX // CELL_PX
    initializer = fields(*((1, size) for size in weights.shape), (2, FLOAT), (8, "weights"), (9, weights.tobytes()))
    graph = fields(
        (1, node("Cast", "image", "x", integer("to", FLOAT))),
        (1, node("Transpose", "x", "nchw", ints("perm", 0, 3, 1, 2))),
        (1, node("Conv", "nchw weights", "class_maps", ints("strides", CELL_PX, CELL_PX))),
        (1, node("ReduceMean", "class_maps", "logits", ints("axes", 2, 3), integer("keepdims", 0))),
        (2, "small"),
        (5, initializer),
        (11, tensor("image", UINT8, "N", SIZE_PX, SIZE_PX, 3)),
        (12, tensor("logits", FLOAT, "N", len(LABELS))),
        (12, tensor("class_maps", FLOAT, "N", len(LABELS), cells, cells)),
    )
    note = fields((1, "labels"), (2, json.dumps(labels)))
    return fields((1, 8), (8, fields((1, ""), (2, 13))), (7, graph), (14, note))


def golden_of(weights: NDArray[np.float32], seed: int) -> Golden:
    """Four noisy pictures, two of each label."""
    images = np.random.default_rng(seed).integers(0, 256, (64, SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    cells = images.reshape(64, 4, CELL_PX, 4, CELL_PX, 3).astype(np.float64)
    logits = np.einsum("naibjc,kcij->nkab", cells, weights.astype(np.float64)).mean(axis=(2, 3))
    margin = logits[:, 0] - logits[:, 1]
    chosen = [*np.argsort(margin)[:2], *np.argsort(margin)[-2:]]
    return Golden(images[chosen], logits[chosen].astype(np.float32), LABELS)


def described(path: Path, runtime: str, precision: str | None) -> dict[str, Any]:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"sha256": digest, "size_bytes": len(content), "runtime": runtime, "precision": precision}


def write_bundle(folder: Path, *, seed: int = 0, signed: bool = True) -> Path:
    """Make the folder: model.onnx, golden.npz, manifest.json and, signed with KEY, manifest.sig."""
    folder.mkdir()
    weights = weights_of(seed)
    (folder / "model.onnx").write_bytes(graph_of(weights, list(LABELS)))
    write_golden(golden_of(weights, seed), folder / "golden.npz")
    metrics = {
        "precision": "fp32", "split": "test", "right": 9, "total": 10, "accuracy": 0.9, "interval95": (0.6, 0.98),
        "macro_f1": 0.9, "command": "none",
    }  # fmt: skip
    manifest = Manifest.model_validate({
        "schema": 1, "name": f"small-{seed}", "version": "0.1.0", "licence": "MIT", "labels": LABELS,
        "preprocessing": {"size_px": SIZE_PX, "resize": "squash", "interpolation": "area", "colour": "rgb"},
        "temperature": 1.5, "acceptance": dict.fromkeys(LABELS, 0.9),
        "novelty": {"score": "energy", "threshold": -2.0, "quantile": 0.98}, "golden_tolerance": {"fp32": 0.001},
        "artefacts": {
            "model.onnx": described(folder / "model.onnx", "onnxruntime", "fp32"),
            "golden.npz": described(folder / "golden.npz", "numpy", None),
        },
        "provenance": {
            "git_commit": "none", "data_sha256": "0" * 64, "weights_sha256": "", "split": "reference", "seed": seed,
            "calibration": "none", "metrics": [metrics],
        },
    })  # fmt: skip
    write_manifest(manifest, folder / "manifest.json")
    if signed:
        sign_again(folder)
    return folder


def sign_again(folder: Path) -> None:
    """With KEY, whatever the manifest says."""
    (folder / SIGNATURE).write_bytes(sign((folder / "manifest.json").read_bytes(), KEY))


def vouch_for(folder: Path, name: str) -> None:
    """Make the manifest agree with a changed file, as a forger without the key would."""
    document = json.loads((folder / "manifest.json").read_bytes())
    entry = document["artefacts"][name]
    document["artefacts"][name] = described(folder / name, entry["runtime"], entry["precision"])
    (folder / "manifest.json").write_text(json.dumps(document))
