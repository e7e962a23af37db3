"""Packing happens completely or not at all, and the golden set is one that can judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.bundle import Golden
from edge.errors import BundleError, ConfigError
from export.checkpoint import Checkpoint
from export.pack import check_target, choose_golden, read_golden_pictures, replacing
from tests.export.samples import picture, save


def old_bundle(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("old")
    (folder / "report").mkdir()
    return folder


def test_new_bundle_takes_the_old_ones_place_whole(tmp_path: Path) -> None:
    target = old_bundle(tmp_path / "models" / "mine")
    with replacing(target) as folder:
        (folder / "manifest.json").write_text("new")
        assert (target / "manifest.json").read_text() == "old"
    assert [file.name for file in target.iterdir()] == ["manifest.json"]  # the old report spoke of the old bundle
    assert (target / "manifest.json").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["mine"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_first_bundle_makes_its_folders(tmp_path: Path) -> None:
    with replacing(tmp_path / "models" / "mine") as folder:
        (folder / "manifest.json").write_text("new")
    assert (tmp_path / "models" / "mine" / "manifest.json").read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_in_the_middle_leaves_the_old_bundle_and_no_litter(tmp_path: Path, error: type[BaseException]) -> None:
    target = old_bundle(tmp_path / "models" / "mine")

    def half() -> None:
        with replacing(target) as folder:
            (folder / "model.onnx").write_bytes(b"half")
            raise error

    with pytest.raises(error):
        half()
    assert (target / "manifest.json").read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["mine"]


def test_failing_rename_puts_the_old_bundle_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = old_bundle(tmp_path / "models" / "mine")
    rename = Path.rename

    def refuse_new(self: Path, to: Path) -> Path:
        if ".new-" in self.name:
            raise PermissionError("no")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(PermissionError), replacing(target) as folder:
        (folder / "manifest.json").write_text("new")
    assert (target / "manifest.json").read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["mine"]


def test_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds files and no bundle"), replacing(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ConfigError, match="a file; expected a bundle's folder"):
        check_target(tmp_path / "thesis.txt")


def golden(margins: list[float]) -> Golden:
    logits = np.array([[margin, 0] for margin in margins], np.float32)
    return Golden(np.zeros((len(margins), 8, 8, 3), np.uint8), logits, ("glass", "paper"))


def test_tolerance_is_twice_the_largest_difference_rounded_up() -> None:
    whole = golden([5, 5, 5, 5])
    chosen = choose_golden(whole, "abcd", whole.logits + np.float32(0.123))
    assert chosen.tolerance == {"fp32": 1e-3, "int8": 0.25}
    assert chosen.largest_difference == pytest.approx(0.123, abs=1e-6)
    assert chosen.left_out == ()


def test_pictures_without_a_clear_top1_are_left_out_by_name() -> None:
    whole = golden([5, 0.2, 5, -5, -5])
    chosen = choose_golden(whole, ["can", "cup", "jar", "box", "bag"], whole.logits + np.float32(0.123))
    assert chosen.left_out == ("cup",)
    assert np.array_equal(chosen.golden.logits[:, 0], [5, 5, -5, -5])


def test_turned_pictures_join_where_too_few_have_a_clear_top1() -> None:
    whole = golden([5, 0.1, 0.2, 0.1, 1, 3, 0.1, 2])  # four files as they are, then four of them turned
    chosen = choose_golden(whole, ["can", "cup", "jar", "box"], whole.logits + np.float32(0.123))
    assert chosen.left_out == ("cup", "jar", "box")
    assert np.array_equal(chosen.golden.logits[:, 0], [5, 3, 2, 1])  # no more than are needed, the clearest first


def test_golden_set_that_can_judge_nothing_is_refused() -> None:
    whole = golden([5, 0.2, 0.1, -5, -5])
    with pytest.raises(BundleError, match="only 3 of 5 pictures have a clear top-1"):
        choose_golden(whole, "abcde", whole.logits + np.float32(0.123))


def test_golden_logits_are_torchs(golden_folder: Path, checkpoint: Checkpoint) -> None:
    whole, names = read_golden_pictures(golden_folder, checkpoint)
    assert names == tuple(sorted(file.stem for file in golden_folder.iterdir()))
    assert whole.images.shape == (48, 64, 64, 3)  # each as it is, then in its seven other positions
    assert np.array_equal(whole.images[6], np.rot90(whole.images[0]))
    assert np.array_equal(whole.logits, checkpoint.reference_logits(whole.images))


def test_too_few_renders_are_refused(tmp_path: Path, checkpoint: Checkpoint) -> None:
    save(picture(0, 0), tmp_path / "one.png")
    with pytest.raises(ConfigError, match="1 PNG pictures, expected at least 4 renders"):
        read_golden_pictures(tmp_path, checkpoint)
