"""A data set small enough for every test, in which nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.data.pictures import picture, save


@pytest.fixture
def two_classes(tmp_path: Path) -> Path:
    """glass and metal, four different photographs each."""
    root = tmp_path / "two"
    for i in range(8):
        label = ("glass", "metal")[i // 4]
        save(root / label / f"{label}{i % 4}.jpg", picture(i))
    return root
