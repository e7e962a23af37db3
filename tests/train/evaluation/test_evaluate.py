"""A bundle's figures: counted rightly, on the photographs meant, decided on as a bin does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import cv2
import numpy as np
import pytest

from edge.bundle import Preprocessing
from edge.bundle.manifest import Promise
from edge.errors import ConfigError
from train.commands.evaluate import evaluate
from train.evaluation import measure as measuring
from train.evaluation.answers import Answers, turned
from train.evaluation.automatic import sort_automatically
from train.evaluation.figures import Evaluation, Share, class_table
from train.report import draw_confusion, draw_curves


def evaluation(seen: np.ndarray | None = None) -> Evaluation:
    """Four photographs, three right; the second class's second one is taken for the first class."""
    logits = np.array([[2, 0], [3, 0], [0, 1], [1, 0]], np.float32)
    return Evaluation(("glass", "metal"), "test", np.array([0, 0, 1, 1]), logits, seen)


def test_figures_come_with_counts_and_interval() -> None:
    figures = evaluation().as_dict()
    assert (figures["split"], figures["right"], figures["total"], figures["accuracy"]) == ("test", 3, 4, 0.75)
    assert figures["interval_95"][0] < 0.75 < figures["interval_95"][1]
    assert figures["confusion"] == [[2, 0], [1, 1]]
    assert figures["classes"]["metal"]["recall"] == 0.5 and figures["classes"]["glass"]["support"] == 2
    assert figures["by_object"] == {}


def test_photographs_of_seen_objects_are_counted_apart() -> None:
    shares = evaluation(np.array([True, False, False, True])).by_object()
    assert [(s.right, s.total) for s in shares.values()] == [(1, 2), (2, 2)]
    assert str(Share(359, 384)) == "359/384 = 93.49% (95 % interval 90.6% to 95.6%)"


def test_some_of_the_photographs_can_be_counted_alone() -> None:
    kept = evaluation(np.array([True, False, False, True])).only(np.array([True, True, True, False]))
    assert str(kept.overall).startswith("3/3") and kept.seen is not None and kept.seen.tolist() == [True, False, False]
    assert str(evaluation().only(np.array([False, False, False, True])).overall).startswith("0/1")


def test_class_table_has_a_line_for_each_class() -> None:
    header, glass, metal = class_table(evaluation()).splitlines()
    assert header.split() == ["precision", "recall", "F1", "support"]
    assert glass.split() == ["glass", "66.7%", "100.0%", "0.800", "2"]
    assert metal.split() == ["metal", "100.0%", "50.0%", "0.667", "2"]


def test_pictures_are_drawn(tmp_path: Path) -> None:
    draw_confusion(evaluation(), tmp_path / "confusion.png", subject="model 1.0.0 (int8)")
    history = [
        {"epoch": e, "loss": 1 / e, "accuracy": 0.5, "validation_nll": 1 / e, "validation_accuracy": 0.9,
         "validation_right": 9, "validation_total": 10}
        for e in (1, 2)
    ]  # fmt: skip
    draw_curves(history, tmp_path / "curves.png", subject="resnet18")
    for name in ("confusion.png", "curves.png"):
        picture = cv2.imread(str(tmp_path / name))
        assert picture is not None and picture.shape[1] > 600 and picture.std() > 5


# --- the bin's own decision ------------------------------------------------------------------------------------------


def manifest(labels: list[str]) -> Any:
    """As much of a manifest as a measurement reads. Believed from 0.8 on; half may be wrong from 0.6 on."""
    return SimpleNamespace(
        name="tints",
        version="1.0.0",
        precision="int8",
        labels=labels,
        preprocessing=Preprocessing(size_px=32, resize="squash", interpolation="area", colour="rgb"),
        temperature=1.0,
        acceptance=dict.fromkeys(labels, 0.8),
        contamination=[Promise(promised=0.5, min_probability=0.75, sorted=3, wrong=1, total=4)],
        novelty=SimpleNamespace(threshold=-1.0),
        artefacts={"model.onnx": SimpleNamespace(sha256="0" * 64)},
        provenance=SimpleNamespace(data_sha256="1" * 64, split="reference"),
    )


def answers(p: list[float], *, novel: list[int] | None = None) -> Answers:
    """One picture for each probability of the first of two labels; energies are below the threshold but for `novel`."""
    logits = np.log(np.array([[q, 1 - q] for q in p])) + 3
    logits[novel or []] -= 9
    return Answers(logits.astype(np.float32), np.zeros((len(p), 2, 7, 7), np.float32))


def test_what_a_bin_would_sort_is_counted_with_what_is_wrong_of_it_and_why_the_rest_is_kept_back() -> None:
    given = answers([0.9, 0.95, 0.1, 0.78, 0.99, 0.7], novel=[4])
    found = sort_automatically(manifest(["glass", "metal"]), given, np.array([0, 1, 1, 0, 0, 0]))
    assert (found.taken.right, found.taken.total) == (3, 6)
    assert (found.wrong.right, found.wrong.total) == (1, 3)
    assert found.reasons == {"CONFIDENT": 3, "UNCERTAIN": 2, "NOVEL": 1}
    figures = found.as_dict()
    assert (figures["automatic_share"], figures["contamination"]) == (0.5, pytest.approx(1 / 3))
    assert figures["contamination_interval_95"] == list(Share(1, 3).interval_95)
    assert str(found).splitlines()[-1] == "  kept back: UNCERTAIN 2, NOVEL 1"


def test_a_promise_is_measured_at_its_own_threshold() -> None:
    given = answers([0.9, 0.78, 0.7])
    found = sort_automatically(manifest(["glass", "metal"]), given, np.zeros(3, np.int64), 0.5)
    assert (found.promised, found.min_probability) == (0.5, 0.75)
    assert (found.taken.right, found.wrong.right) == (2, 0)
    with pytest.raises(ValueError, match=r"does not promise 0\.01"):
        sort_automatically(manifest(["glass", "metal"]), given, np.zeros(3, np.int64), 0.01)


def test_an_input_is_turned_and_mirrored_in_eight_ways_of_which_the_first_is_itself() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    ways = turned(image)
    assert np.array_equal(ways[0], image) and np.array_equal(ways[2], image[::-1, ::-1])
    assert len({way.tobytes() for way in ways}) == 8
    assert all(way.shape == image.shape and way.flags.c_contiguous for way in ways)


# --- a whole measurement ---------------------------------------------------------------------------------------------


class TintEngine:
    """Names the tint rightly, by looking: RGB channel 2 is blue, 1 green, 0 red."""

    def __init__(self, bundle: Any) -> None:
        channels = {"red": 0, "green": 1, "blue": 2}
        self._channels = [channels.get(label, 0) for label in bundle.manifest.labels]

    def __enter__(self) -> TintEngine:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def infer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert images.shape == (1, 32, 32, 3) and images.dtype == np.uint8
        logits = images.mean(axis=(1, 2))[:, self._channels].astype(np.float32)
        return logits, np.zeros((1, len(self._channels), 7, 7), np.float32)


@pytest.fixture
def tint_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of the tints, and one black picture of what is not waste."""
    monkeypatch.setattr(measuring, "OnnxRuntimeEngine", TintEngine)
    monkeypatch.setattr(measuring, "novel_pictures", lambda: {"black": [np.zeros((40, 50, 3), np.uint8)]})


def bundle(*labels: str) -> Any:
    return SimpleNamespace(manifest=manifest(list(labels)))


@pytest.mark.usefixtures("tint_engine")
def test_the_bundles_own_order_of_labels_is_used(photo_folder: Path) -> None:
    found = measuring.measure(bundle("red", "blue", "green"), photo_folder, "test").evaluation
    assert str(found.overall).startswith("9/9")
    assert found.labels == ("red", "blue", "green") and found.seen is None
    assert len(measuring.measure(bundle("green", "blue", "red"), photo_folder, "validation").names) == 6


@pytest.mark.usefixtures("tint_engine")
def test_photographs_of_other_classes_than_the_bundles_are_refused(photo_folder: Path) -> None:
    with pytest.raises(ConfigError, match="found classes blue, green, red; the bundle knows glass, metal"):
        measuring.measure(bundle("glass", "metal"), photo_folder, "test")


@pytest.mark.usefixtures("tint_engine")
def test_the_split_is_the_one_the_model_was_fitted_on(photo_folder: Path) -> None:
    asked = bundle("red", "blue", "green")
    asked.manifest.provenance.split = "kfold"
    with pytest.raises(ConfigError, match="fitted on the split 'kfold'"):
        measuring.measure(asked, photo_folder, "test")
    asked.manifest.provenance.split = "grouped"
    with pytest.raises(ConfigError, match=r"grouped split: .*_groups\.csv is missing"):
        measuring.measure(asked, photo_folder, "test")


@pytest.mark.usefixtures("tint_engine")
def test_everything_that_is_measured_stands_in_the_json_and_on_the_terminal(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Of the whole folder the first test photograph of blue is said to stand under another label too.
    named = measuring.measure(bundle("red", "blue", "green"), photo_folder, "test").names
    monkeypatch.setattr(measuring, "conflicting", lambda photos: {named[3]: ("red/x.png",), "red/x.png": (named[3],)})
    monkeypatch.setattr("edge.bundle.load_bundle", lambda path: bundle("red", "blue", "green"))
    evaluate(Path("tints"), photo_folder, "test", tta=True, out=tmp_path / "report")
    written = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert (written["model"], written["split"], written["right"], written["total"]) == ("tints", "test", 9, 9)
    assert (written["macro_f1"], written["without_conflicting"]["total"]) == (1.0, 8)
    assert written["without_conflicting"]["left_out"] == {named[3]: ["red/x.png"]}
    assert (written["averaged"]["right"], written["averaged"]["total"]) == (9, 9)
    assert written["calibration"]["ece_before"] == written["calibration"]["ece_after"] < 0.01
    assert written["automatic"]["sorted"] == 9 and written["automatic"]["contamination"] == 0
    assert [row["promised"] for row in written["promises"]] == [0.5]
    # Its energy is -log 3, above which the threshold lies; all three labels are as likely.
    assert written["novelty"]["black"] == written["novelty"]["all"]
    assert (written["novelty"]["black"]["auroc"], written["novelty"]["black"]["kept_back"]) == (1.0, 1)
    assert sorted(file.name for file in (tmp_path / "report").iterdir()) == [
        "calibration.png", "confusion.png", "evaluation.json",
    ]  # fmt: skip
    said = capsys.readouterr().out
    for part in (
        "9/9",
        "mirrored",
        f"({named[3]})",
        "8/8",
        "ECE",
        "at most 50% promised",
        "kept back",
        "black",
        "note:",
    ):
        assert part in said


@pytest.mark.usefixtures("tint_engine")
def test_without_asking_nothing_is_averaged(photo_folder: Path) -> None:
    found = measuring.measure(bundle("red", "blue", "green"), photo_folder, "test")
    assert found.averaged is None and found.as_dict()["averaged"] is None
    assert found.conflicting == {} and "none here" in str(found)
