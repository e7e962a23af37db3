"""A checkpoint, photographs and golden renders small enough that a whole export takes seconds.

ResNet18 at 64 pixels, three labels; the body's weights are random, the head is fitted to the pictures, so that answers
mean something.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from export.checkpoint import Checkpoint, read_checkpoint  # noqa: E402  (it imports torch)
from export.pack import Naming  # noqa: E402
from export.pipeline import Order  # noqa: E402
from export.quantize import RECIPES, quantize  # noqa: E402
from export.to_onnx import to_onnx  # noqa: E402
from tests.export.samples import LABELS, SIZE_PX, checkpoint_content, fit_head, picture, random_resnet, save  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small networks gain nothing from more, and tests that run side by side lose by it."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 20 striped pictures."""
    root = tmp_path_factory.mktemp("photos") / "stripes"
    for k, label in enumerate(LABELS):
        for i in range(20):
            save(picture(k, i), root / label / f"{label}{i}.png")
    return root


@pytest.fixture(scope="session")
def golden_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures that stand for renders."""
    root = tmp_path_factory.mktemp("golden")
    for k, label in enumerate(LABELS):
        for i in (100, 101):
            save(picture(k, i), root / f"{label}-{i}.png")
    return root


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    """What a fit leaves: best.pt and split.json."""
    folder = tmp_path_factory.mktemp("run")
    network = random_resnet("resnet18", len(LABELS))
    network.relu = torch.nn.ReLU6()
    fit_head(network)
    content = checkpoint_content(network, "resnet18", LABELS, SIZE_PX)
    names = sorted(f"{file.parent.name}/{file.name}" for file in photo_folder.glob("*/*.png"))
    lines = (f"{name} {hashlib.sha256((photo_folder / name).read_bytes()).hexdigest()}\n" for name in names)
    content["provenance"]["data_sha256"] = hashlib.sha256("".join(lines).encode()).hexdigest()
    torch.save(content, folder / "best.pt")
    parts = {"train": names[::2], "validation": names[1::4], "test": names[3::4]}
    (folder / "split.json").write_text(json.dumps(parts))
    return folder


@pytest.fixture(scope="session")
def checkpoint(run_folder: Path) -> Checkpoint:
    return read_checkpoint(run_folder / "best.pt")


@pytest.fixture(scope="session")
def inputs() -> NDArray[np.uint8]:
    """(24, 64, 64, 3) uint8: pictures of all labels."""
    return np.stack([cv2.resize(picture(k, 300 + i), (SIZE_PX, SIZE_PX)) for i in range(8) for k in range(3)])


@pytest.fixture(scope="session")
def fp32_graph(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / "fp32.onnx"
    to_onnx(checkpoint, path)
    return path


@pytest.fixture(scope="session")
def int8_graph(fp32_graph: Path, inputs: NDArray[np.uint8]) -> Path:
    path = fp32_graph.with_name("int8.onnx")
    quantize(fp32_graph, path, inputs, RECIPES["minmax"])
    return path


@pytest.fixture(scope="session")
def first_order(
    run_folder: Path, photo_folder: Path, golden_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Order:
    """An export of all that into bundles/stripes."""
    return Order(
        checkpoint=run_folder / "best.pt", out=tmp_path_factory.mktemp("out") / "bundles" / "stripes",
        split=run_folder / "split.json", data=photo_folder, golden=golden_folder,
        naming=Naming("stripes", "0.1.0", "MIT"), recipe=RECIPES["minmax"], calibration_photos=24,
    )  # fmt: skip


@pytest.fixture
def order(first_order: Order, tmp_path: Path) -> Order:
    """The same into a folder of the test's own."""
    return replace(first_order, out=tmp_path / "bundles" / "stripes")
