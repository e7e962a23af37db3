"""Photographs that only teach."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import run_fit, small_settings, stage  # noqa: E402
from train.data import make_split, scan  # noqa: E402
from train.extra import extra_photographs  # noqa: E402
from train.model import load_checkpoint  # noqa: E402


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Five pictures of one class."""
    folder, rng = tmp_path / "captures" / "red", np.random.default_rng(7)
    folder.mkdir(parents=True)
    for i in range(5):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    return folder.parent


def test_they_are_learnt_from_and_neither_validate_nor_test(
    photo_folder: Path, weights_file: Path, captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = small_settings()
    settings["finetune"]["stages"] = [stage("fc")]
    alone, taught = tmp_path / "alone", tmp_path / "taught"
    run_fit(settings, photo_folder, weights_file, alone)
    progress = run_fit(settings, photo_folder, weights_file, taught, extra=(captures,))
    assert f"5 more that only teach, from {captures}" in capsys.readouterr().out
    assert progress.best["total"] == 6
    assert (alone / "split.json").read_bytes() == (taught / "split.json").read_bytes()
    before, after = (load_checkpoint(run / "best.pt")[1] for run in (alone, taught))
    assert not torch.equal(before["state_dict"]["fc.weight"], after["state_dict"]["fc.weight"])
    assert before["provenance"]["extra_sha256"] == [] and len(after["provenance"]["extra_sha256"]) == 1
    with pytest.raises(ConfigError, match="is of another fit: its extra_sha256 differ"):
        run_fit(settings, photo_folder, weights_file, taught, resume=True)


def test_a_copy_of_a_photograph_that_judges_is_refused(photo_folder: Path, captures: Path) -> None:
    split = make_split(scan(photo_folder), "reference", groups={})
    judging = split.test.names[-1]
    picture = cv2.imread(str(photo_folder / judging))
    assert picture is not None
    cv2.imwrite(str(captures / "red" / "copied.png"), picture[::-1, ::-1])
    with pytest.raises(ConfigError, match=rf"1 photographs are copies of test .*red/copied\.png of {judging}"):
        extra_photographs([captures], split)
    (captures / "red" / "copied.png").unlink()
    assert [len(photos) for photos in extra_photographs([captures], split)] == [5]


def test_a_class_that_nobody_knows_or_a_broken_file_is_refused_by_name(photo_folder: Path, captures: Path) -> None:
    split = make_split(scan(photo_folder), "reference", groups={})
    (captures / "red" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"1 of 6 files cannot be read \(red/broken\.png"):
        extra_photographs([captures], split)
    (captures / "red").rename(captures / "violet")
    with pytest.raises(ConfigError, match=r"the classes \['violet'\] are none of \['blue', 'green', 'red'\]"):
        extra_photographs([captures], split)
