"""The model that ships is what its manifest and the README say it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.bundle import load_bundle

ROOT = Path(__file__).resolve().parents[1]
KERNELS = 3
"""Photographs that may fall otherwise on another processor, whose int8 kernels round in another order."""


@pytest.mark.data
def test_evaluate_reproduces_the_manifests_figure_on_the_reference_test_photographs(
    data: Path, bundle_path: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "train", "evaluate", "models/resnet50-trashnet", "--data", str(data / "trashnet")]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "evaluation.json").read_text())
    metrics = load_bundle(bundle_path).manifest.provenance.metrics
    [said] = [row for row in metrics if (row.precision, row.split) == ("int8", "test")]
    assert found["total"] == said.total == 384
    assert abs(found["right"] - said.right) <= KERNELS
    assert found["right"] >= 0.92 * 384
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_the_readme_quotes_the_manifest(bundle_path: Path) -> None:
    metrics = load_bundle(bundle_path).manifest.provenance.metrics
    [said] = [row for row in metrics if (row.precision, row.split) == ("int8", "test")]
    low, high = said.interval95
    readme = (ROOT / "README.md").read_text()
    assert f"{said.right} of {said.total}" in readme
    assert f"{said.accuracy:.2%}".replace("%", " %") in readme
    assert f"{low:.1%}".rstrip("%") in readme
    assert f"{high:.1%}".rstrip("%") in readme
    assert f"{said.macro_f1:.3f}" in readme
