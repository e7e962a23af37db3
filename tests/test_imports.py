"""The bin runs where torch, training and export are not: here every import of them fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

# A name that is None in sys.modules cannot be imported, whatever is installed.
WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "onnx", "onnxscript", "matplotlib", "bpy", "train", "export"):
    sys.modules[name] = None
"""

IMPORT_EVERYTHING = """
import importlib, pkgutil
import edge
names = [module.name for module in pkgutil.walk_packages(edge.__path__, "edge.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""

RUN_THE_PROGRAM = """
import runpy
sys.argv[0] = "edge"
runpy.run_module("edge", run_name="__main__", alter_sys=True)
"""


def without_torch(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `program` in a Python of its own, at the repository's root."""
    command = [sys.executable, "-c", WITHOUT_TORCH + program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", ["torch", "torch.nn", "train.model", "export"])
def test_the_barrier_of_these_tests_holds(name: str) -> None:
    done = without_torch(f"import {name}")
    assert "ModuleNotFoundError" in done.stderr
    assert done.returncode == 1


def test_every_module_of_the_edge_is_imported() -> None:
    done = without_torch(IMPORT_EVERYTHING)
    assert done.returncode == 0, done.stderr
    files = [path for path in (ROOT / "edge").rglob("*.py") if path != ROOT / "edge" / "__init__.py"]
    assert int(done.stdout) == len(files), "a folder without __init__.py hides its modules"


def test_a_photograph_is_classified(tmp_path: Path, bundle_path: Path) -> None:
    done = without_torch(RUN_THE_PROGRAM, "classify", "--bundle", bundle_path, grey_picture(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "grey.png" in done.stdout


def test_a_folder_of_photographs_is_classified_as_json(tmp_path: Path, bundle_path: Path) -> None:
    picture = grey_picture(tmp_path)
    done = without_torch(RUN_THE_PROGRAM, "classify", "--json", "--bundle", bundle_path, tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["path"] == str(picture)
    assert len(result["top3"]) == 3


def grey_picture(folder: Path) -> Path:
    """A picture of nothing: what is said of it does not matter here."""
    path = folder / "grey.png"
    cv2.imwrite(str(path), np.full((96, 128, 3), 128, np.uint8))
    return path


def test_only_commands_that_move_nothing_open_a_bundle_without_asking_who_signed_it() -> None:
    users = {
        path.name
        for path in (ROOT / "edge").rglob("*.py")
        if re.search(r"\bload_bundle\(", path.read_text(encoding="utf-8")) and path.parent.name != "bundle"
    }
    assert users == {"bench.py", "photographs.py", "replay.py"}
