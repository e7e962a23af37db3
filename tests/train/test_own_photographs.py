"""A person's own folder of photographs becomes a model, by the three commands of the README."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.bundle import load_bundle

ROOT = Path(__file__).resolve().parents[2]
SHORT = (
    "finetune.stages=[{epochs: 1, crop_px: 96, rates: {fc: 3.0e-4, layer4: 2.0e-4}},"
    " {epochs: 1, crop_px: 96, rates: {fc: 3.0e-4, layer4: 2.0e-4, layer3: 1.0e-4}}]"
)
"""The shipped recipe with its stages made short: the test asks whether it works, not how well."""


def python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def own_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six folders of thirty photographs each. Their names are a person's own, one of them not in ASCII."""
    source = os.environ.get("SMARTBIN_DATA")
    if not source:
        pytest.skip("SMARTBIN_DATA is not set: no photographs")
    root = tmp_path_factory.mktemp("own") / "my photographs"
    names = {"cardboard": "cardboard", "glass": "glass", "metal": "metal", "paper": "paper", "plastic": "plástico",
             "trash": "trash"}  # fmt: skip
    for label, own in names.items():
        (root / own).mkdir(parents=True)
        for file in sorted((Path(source) / "trashnet" / label).glob("*.jpg"))[:30]:
            shutil.copy(file, root / own)
    return root


@pytest.mark.data
@pytest.mark.timeout(600)
def test_six_times_thirty_photographs_train_report_and_export(
    own_photographs: Path, data: Path, tmp_path: Path
) -> None:
    run, bundle = tmp_path / "run", tmp_path / "mine"
    weights = data / "imagenet-resnet50" / "resnet50_v1.5_imagenet_fp16.pt"
    photographs = ["--data", str(own_photographs)]
    fitted = python(
        "-m", "train", "fit", *photographs, "--weights", str(weights), "--out", str(run), "--set", SHORT
    )  # fmt: skip
    assert "126 training, 24 validation, 30 test photographs" in fitted
    python("-m", "train", "report", str(run), *photographs)
    assert "plástico" in (run / "report" / "index.html").read_text(encoding="utf-8")
    python("-m", "export", str(run / "best.pt"), *photographs, "--out", str(bundle))
    manifest = load_bundle(bundle).manifest
    assert sorted(manifest.labels) == ["cardboard", "glass", "metal", "paper", "plástico", "trash"]
    history = json.loads((run / "history.json").read_text(encoding="utf-8"))
    # Two short epochs on twenty-one photographs a class: still far above the sixth that guessing gives.
    assert history[-1]["validation_accuracy"] > 1 / 3
