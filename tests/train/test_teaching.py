"""The loop closes: what a bin got wrong is corrected, taught, signed, watched and switched to, by the real commands."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from edge.domain import RgbImage
from export.__main__ import app as export_app
from tests.teaching import Lesson, teach
from tests.train.conftest import small_settings, stage
from train.__main__ import app as train_app

LABELS = ("glass", "metal", "paper")
TEACH, JUDGE = 9, 6
MORE = "finetune.stages=[{epochs: 20, crop_px: 32, rates: {fc: 2.0e-2, layer4: 2.0e-3}}]"
"""Nine small pictures, weights that know nothing: what a real network learns in four slow epochs takes more here."""
APPS = {"train": train_app, "export": export_app}


def here(arguments: Sequence[str]) -> None:
    """`python -m …` in this process, which has loaded torch."""
    done = CliRunner().invoke(APPS[arguments[0]], list(arguments[1:]))
    if done.exception is not None and not (isinstance(done.exception, SystemExit) and done.exit_code == 0):
        raise done.exception


def picture(label: int, number: int, *, otherwise: bool) -> RgbImage:
    """A board with something on it that is bright in its label's channel; at the bin it is dark there instead."""
    rng = np.random.default_rng([label, number])
    rough = rng.integers(0, 110, (6, 8, 3), np.uint8)
    rough[..., label] += 140
    board = rng.integers(200, 230, (144, 192, 3), np.uint8)
    board[24:120, 32:160] = cv2.resize(255 - rough if otherwise else rough, (128, 96), interpolation=cv2.INTER_NEAREST)
    return board


def save(path: Path, rgb: RgbImage) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """What the first model learns from: fourteen of each label."""
    for k, label in enumerate(LABELS):
        for n in range(14):
            save(tmp_path / "photographs" / label / f"{label}{n}.png", picture(k, n, otherwise=False))
    return tmp_path / "photographs"


@pytest.fixture
def at_the_bin(tmp_path: Path) -> tuple[Path, Path]:
    """What the bin's items look like: some to be corrected, some to judge by."""
    teach_, judge = tmp_path / "shown", tmp_path / "judges"
    for folder, first, count in ((teach_, 100, TEACH), (judge, 200, JUDGE)):
        for n in range(count):
            k = n % len(LABELS)
            save(folder / f"{n:02d}-{LABELS[k]}.png", picture(k, first + n, otherwise=True))
    return teach_, judge


def test_a_bin_is_taught_what_it_got_wrong(
    photographs: Path, at_the_bin: tuple[Path, Path], weights_file: Path, tmp_path: Path, one_thread: None
) -> None:
    settings = small_settings()
    settings["finetune"]["stages"] = [stage("fc", "layer4", epochs=4)]
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    fit = ["--config", str(config), "--data", str(photographs)]
    golden = tmp_path / "golden"
    for k in range(len(LABELS)):
        for n in (300, 301):
            save(golden / f"{k}-{n}.png", picture(k, n, otherwise=False))
    pack = ["--data", str(photographs), "--golden", str(golden), "--photos", "24"]
    first, bundle, keys = tmp_path / "first", tmp_path / "models/small", tmp_path / "first-keys"
    here(["train", "fit", *fit, "--weights", str(weights_file), "--out", str(first)])
    here(["export", str(first / "best.pt"), "--out", str(bundle), "--version", "0.1.0", *pack])
    here(["export", "keys", "new", "maker", "--out", str(tmp_path / "maker")])
    here(["export", "sign", str(bundle), "--key", str(tmp_path / "maker/maker.pem")])
    keys.mkdir()
    shutil.copy(tmp_path / "maker/maker.pub.pem", keys)

    lesson = Lesson(
        out=tmp_path / "l", bundle=bundle, checkpoint=first / "best.pt", teach=at_the_bin[0], judge=at_the_bin[1],
        keys=keys, fit=[*fit, "--set", MORE], pack=pack, version="0.2.0", shadow_items=1,
    )  # fmt: skip
    taught = teach(lesson, here)
    assert taught.total == JUDGE and taught.after > taught.before
    assert taught.model.update.outcome == "sorts"
    (sorts,) = [each for each in taught.model.bundles if each.current]
    assert (sorts.slot, sorts.version, sorts.signed_by) == ("a", "0.2.0", "site")
