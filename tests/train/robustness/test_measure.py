from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import edge.bundle
from edge.bundle import Preprocessing
from edge.errors import ConfigError, UnreadablePicture
from tests.train.robustness.conftest import photograph_of_a_box, photograph_without_a_board
from train.commands.robustness import robustness
from train.data import Photos, scan
from train.robustness import measure as measuring
from train.robustness import report
from train.robustness.draw import draw
from train.robustness.measure import CLEAN, VIEWS, Answers, Robustness, measure, shifted_inputs
from train.robustness.report import Measured, as_dict, table, write_json
from train.robustness.samples import draw_samples
from train.robustness.shifts import SHIFTS

SPEC = Preprocessing(size_px=32, resize="squash", interpolation="area", colour="rgb")


class RednessEngine:
    """Takes whatever is rather red for "box" and all else for "noise"."""

    def __init__(self, bundle: Any, *, threads: int = 0) -> None:
        self._labels = bundle.manifest.labels

    def __enter__(self) -> RednessEngine:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def infer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert images.shape == (1, 32, 32, 3) and images.dtype == np.uint8
        red = float(images[..., 0].mean()) - float(images[..., 1].mean())
        logits = np.array([[red if label == "box" else 25.0 for label in self._labels]], np.float32)
        return logits, np.zeros((1, 2, 7, 7), np.float32)


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "OnnxRuntimeEngine", RednessEngine)


def bundle(*labels: str) -> Any:
    """The parts of a bundle that are looked at."""
    artefacts = {"model.onnx": SimpleNamespace(sha256="0" * 64)}
    manifest = SimpleNamespace(
        name="redness", version="1.0.0", precision="fp32", labels=list(labels), preprocessing=SPEC, artefacts=artefacts
    )
    return SimpleNamespace(manifest=manifest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven photographs each of boxes, which can be cut out, and of noise, which cannot: one each is for the test."""
    root = tmp_path_factory.mktemp("photographs")
    for label, rgb in (("box", photograph_of_a_box()), ("noise", photograph_without_a_board())):
        (root / label).mkdir()
        for i in range(7):
            cv2.imwrite(str(root / label / f"{label}{i}.png"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return root


@pytest.fixture
def photos(folder: Path) -> Photos:
    return scan(folder).only(["box/box0.png", "noise/noise0.png"])


def test_every_photograph_counts_under_every_shift_whether_cut_out_or_not(photos: Photos) -> None:
    found = measure([bundle("box", "noise")], photos)[0]
    assert list(found.answers) == [CLEAN, *SHIFTS]
    for shift, views in found.answers.items():
        for view in VIEWS:
            assert views[view].overall.total == 2
            assert [share.total for share in views[view].recall.values()] == [1, 1]
            assert views[view].composed_only.total == (shift != CLEAN)


def test_denominators_stay_whole_when_nothing_can_be_cut_out(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.robustness.shifts.cut_out", lambda rgb: None)
    found = measure([bundle("box", "noise")], photos)[0]
    assert all(views[view].overall.total == 2 for views in found.answers.values() for view in VIEWS)
    assert not any(views["whole"].composed.any() for views in found.answers.values())


def test_bundles_are_measured_on_the_same_pictures_in_their_own_order_of_labels(photos: Photos) -> None:
    one, other = measure([bundle("box", "noise"), bundle("noise", "box")], photos)
    assert other.labels == ("noise", "box")
    for shift in SHIFTS:
        assert one.answers[shift]["whole"].overall == other.answers[shift]["whole"].overall


def test_following_the_item_helps_where_it_is_small(photos: Photos) -> None:
    boxes = measure([bundle("box", "noise")], photos.only(["box/box0.png"]))[0].answers["distant-item"]
    assert boxes["followed"].overall.right == 1 and boxes["whole"].overall.right == 0


def test_other_classes_than_the_bundles_are_refused(photos: Photos) -> None:
    with pytest.raises(ConfigError, match="found classes box, noise; redness knows glass, metal"):
        measure([bundle("glass", "metal")], photos)


def test_a_photograph_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for label in ("box", "noise"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "broken.png").write_bytes(b"no picture")
    with pytest.raises(UnreadablePicture, match=r"broken\.png"):
        measure([bundle("box", "noise")], scan(tmp_path))


def test_inputs_for_a_network_are_those_that_the_bundle_is_shown(photos: Photos) -> None:
    followed, whole = (shifted_inputs(photos, SPEC, shift="wood", followed=view) for view in (True, False))
    assert followed.shape == whole.shape == (2, 32, 32, 3) and followed.dtype == np.uint8
    assert not np.array_equal(followed[0], whole[0])  # the box is followed
    assert np.array_equal(followed[1], whole[1])  # the noise has no box
    assert np.array_equal(whole, shifted_inputs(photos, SPEC, shift="wood", followed=False))
    with pytest.raises(ConfigError, match="found shift 'snow', expected one of clean, plain-tray"):
        shifted_inputs(photos, SPEC, shift="snow", followed=True)


def answers(right: int) -> Answers:
    """So many of four right; the first two are composed."""
    targets = np.array([0, 0, 1, 1])
    predicted = np.where(np.arange(4) < right, targets, 1 - targets)
    return Answers(("box", "noise"), targets, predicted, np.array([True, True, False, False]))


def measured(name: str = "redness", right: int = 3) -> Measured:
    """Three of four right under every shift, but one of four in the dark chute."""
    rows = {shift: answers(1 if shift == "dark-chute" else right) for shift in (CLEAN, *SHIFTS)}
    return Measured(name, {"model": name}, Robustness({s: {"followed": a, "whole": a} for s, a in rows.items()}))


def test_the_mean_counts_every_shift_the_same_and_the_worst_is_named() -> None:
    figures = measured().robustness
    assert figures.mean("followed") == pytest.approx((0.75 * (len(SHIFTS) - 1) + 0.25) / len(SHIFTS))
    assert figures.mean_composed("followed") == pytest.approx((len(SHIFTS) - 1 + 0.5) / len(SHIFTS))
    assert figures.worst("whole") == "dark-chute"


def test_the_json_holds_counts_intervals_and_how_many_were_composed(tmp_path: Path) -> None:
    content = as_dict([measured(), measured("plain", 2)], split="test", photographs=4, data_sha256="0")
    write_json(content, tmp_path / "new" / "robustness.json")
    written = json.loads((tmp_path / "new" / "robustness.json").read_text())
    assert [one["name"] for one in written["bundles"]] == ["redness", "plain"]
    wood = written["bundles"][0]["shifts"]["wood"]
    assert (wood["composed"], wood["only_treated"]) == (2, 2)
    assert (wood["followed"]["right"], wood["followed"]["total"], wood["followed"]["accuracy"]) == (3, 4, 0.75)
    assert wood["followed"]["interval_95"][0] < 0.75 < wood["followed"]["interval_95"][1]
    assert wood["whole"]["recall"]["noise"]["accuracy"] == 0.5
    assert wood["followed"]["composed_only"]["right"] == 2
    assert written["bundles"][0]["worst"]["followed"] == "dark-chute" and CLEAN not in written["bundles"][0]["shifts"]


def test_the_table_ends_with_the_mean_and_the_worst_shift() -> None:
    lines = table([measured()]).splitlines()
    assert any(line.split()[:3] == ["wood", "3/4", "75.0%"] for line in lines)
    assert lines[-2].startswith("mean over the shifts, followed: ") and "worst: dark-chute (25.0%)" in lines[-2]


def test_the_picture_is_drawn_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw([measured(), measured("plain", 2)], tmp_path / "robustness.png", split="test")
    first = (tmp_path / "robustness.png").read_bytes()
    picture = cv2.imread(str(tmp_path / "robustness.png"))
    assert picture is not None and picture.shape[1] > 1000 and picture.std() > 20
    write_json({"first": 1}, tmp_path / "robustness.json")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        draw([measured()], tmp_path / "robustness.png", split="test")
    with pytest.raises(OSError, match="no space"):
        write_json({"second": 2}, tmp_path / "robustness.json")
    assert (tmp_path / "robustness.png").read_bytes() == first
    assert json.loads((tmp_path / "robustness.json").read_text()) == {"first": 1}


def test_the_contact_sheets_are_one_a_shift_and_show_every_class(photos: Photos, tmp_path: Path) -> None:
    draw_samples(photos, tmp_path / "sheets", a_class=1)
    assert {path.stem for path in (tmp_path / "sheets").iterdir()} == {CLEAN, *SHIFTS}
    sheet = cv2.imread(str(tmp_path / "sheets" / "clean.jpg"))
    assert sheet is not None and sheet.shape == (240, 4 * 320, 3)
    box, noise, empty = sheet[20:220, 20:300], sheet[20:220, 340:620], sheet[20:220, 660:940]
    detail = [np.abs(np.diff(tile.astype(int), axis=1)).mean() for tile in (box, noise, empty)]
    assert detail[1] > 4 * detail[0] > 0 == detail[2]
    assert ((box[..., 2] > 120) & (box[..., 0] < 80)).any()  # blue, green, red: the red item


def test_bundles_in_folders_of_one_name_are_told_apart_by_their_paths() -> None:
    one = bundle("box", "noise")
    assert [name for name, _ in report.identities([Path("a/m"), Path("b/n")], [one, one])] == ["m", "n"]
    assert [name for name, _ in report.identities([Path("a/m"), Path("b/m")], [one, one])] == ["a/m", "b/m"]


def test_the_command_measures_writes_and_prints(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.bundle, "load_bundle", lambda path: bundle("box", "noise"))
    app = typer.Typer()
    app.command()(robustness)
    arguments = ["one", "two", "--data", str(folder), "--out", str(tmp_path), "--save-samples", str(tmp_path / "s")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0 and "mean over the shifts, followed" in done.output
    written = json.loads((tmp_path / "robustness.json").read_text())
    assert written["photographs"] == 4 and [one["name"] for one in written["bundles"]] == ["one", "two"]
    assert (tmp_path / "robustness.png").is_file() and (tmp_path / "s" / "wood.jpg").is_file()
    refused = CliRunner().invoke(app, [*arguments, "--split", "train"])
    assert refused.exit_code == 2 and "train" in refused.output
