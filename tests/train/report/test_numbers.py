from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edge.errors import ConfigError  # noqa: E402
from tests.train.report.conftest import SPEC  # noqa: E402
from train.data import Photos, load_inputs, scan  # noqa: E402
from train.model import build, normalise  # noqa: E402
from train.report import outputs, twins  # noqa: E402
from train.report.bundle import compare  # noqa: E402
from train.report.gallery import mistakes, named_confusions  # noqa: E402
from train.report.intervals import class_intervals  # noqa: E402
from train.report.outputs import Outputs, cached_bundle_logits, cached_outputs, network_outputs  # noqa: E402
from train.report.part import Part  # noqa: E402
from train.report.pictures import heat  # noqa: E402
from train.report.sharing import keep_promises  # noqa: E402


def part(names: list[str], labels: tuple[str, ...], logits: Any, name: str = "test") -> Part:
    """A part whose photographs need not exist."""
    maps = np.array(logits, np.float32)[:, :, None, None]
    features = np.eye(len(names), 4, dtype=np.float32)
    return Part(name, Photos(Path("nowhere"), labels, tuple(names)), Outputs(maps, features), 1.0)


def test_class_maps_average_to_the_networks_logits(photo_folder: Path) -> None:
    network = build("resnet18", "relu", 3)
    inputs = load_inputs(scan(photo_folder), SPEC)[:5]
    found = network_outputs(network, inputs, progress="test")
    with torch.inference_mode():
        logits = network(normalise(torch.from_numpy(inputs))).numpy()
    assert found.class_maps.shape == (5, 3, 2, 2) and found.features.shape == (5, 512)
    np.testing.assert_allclose(found.logits, logits, atol=1e-4)


def test_kept_outputs_are_of_this_network_and_these_photographs(photo_folder: Path, tmp_path: Path) -> None:
    photos, calls = scan(photo_folder), []

    def network_outputs(network: Any, inputs: np.ndarray, *, progress: str) -> Outputs:
        calls.append((network, len(inputs)))
        return Outputs(np.zeros((len(inputs), 3, 1, 1), np.float32), np.zeros((len(inputs), 2), np.float32))

    fewer = photos.without(photos.names[:2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "network_outputs", network_outputs)
        for network, shown in (("a", photos), ("a", photos), ("b", photos), ("b", fewer), ("b", fewer)):
            found = cached_outputs(network, shown, SPEC, tmp_path, model_sha256=network, part="test")
            assert found.class_maps.shape[0] == len(shown)
    assert calls == [("a", 42), ("b", 42), ("b", 40)]
    assert len(list(tmp_path.iterdir())) == 1  # older ones are gone


def test_f1_has_the_interval_of_the_proportion_it_is_made_of() -> None:
    figures = class_intervals(np.array([[8, 2], [0, 10]]))
    np.testing.assert_allclose(figures[0, :, 0], (1.0, 0.8, 16 / 18))
    assert (figures[..., 1] <= figures[..., 0]).all() and (figures[..., 0] <= figures[..., 2]).all()
    # 8 of 10 are hits among hits, misses and false alarms: Wilson gives 0.4902 to 0.9433, F1 is 2J / (1 + J).
    np.testing.assert_allclose(figures[0, 2, 1:], (0.6579, 0.9708), atol=1e-4)


def test_a_class_nobody_names_or_shows_has_an_interval_that_says_nothing() -> None:
    figures = class_intervals(np.array([[4, 0], [0, 0]]))
    assert figures[1].tolist() == [[0, 0, 1]] * 3


def test_evidence_glows_where_it_is_and_evidence_against_leaves_the_picture() -> None:
    grey = np.full((40, 80, 3), 128, np.uint8)
    warm = heat(grey, np.array([[4.0, -4.0]], np.float32), full=4.0).astype(int)
    assert warm[20, 10, 0] > 180 and warm[20, 10, 0] > warm[20, 10, 2] + 40  # inferno ends in light yellow
    np.testing.assert_array_equal(warm[:, 60:], 128)
    faint = heat(grey, np.array([[0.1, 0.0]], np.float32), full=0.1).astype(int)
    assert np.abs(faint - 128).max() < 40


def test_the_references_confusions_are_counted_where_the_labels_exist() -> None:
    labels = ("cardboard", "glass", "paper")
    found = named_confusions(
        part(["cardboard/1", "cardboard/2", "glass/1"], labels, [[0, 0, 1], [1, 0, 0], [1, 0, 0]]), []
    )
    assert [(c.true, c.predicted, c.share.right, c.share.total) for c in found] == [("cardboard", "paper", 1, 2)]


def test_elsewhere_the_two_most_frequent_confusions_are() -> None:
    logits = [[0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]
    found = named_confusions(part(["a/1", "a/2", "a/3", "b/1", "c/1"], ("a", "b", "c"), logits), [])
    assert [(c.true, c.predicted, c.share.right, c.share.total) for c in found] == [("a", "b", 2, 3), ("a", "c", 1, 3)]


def test_a_perfect_part_has_no_cards() -> None:
    assert mistakes(part(["a/1", "b/1"], ("a", "b"), [[1, 0], [0, 1]])) == []


def test_promises_are_kept_with_the_thresholds_that_validation_found() -> None:
    sure, unsure = [5.0, 0.0], [0.5, 0.0]
    validation = part([f"a/{i}" for i in range(30)] + ["b/1"], ("a", "b"), [sure] * 30 + [unsure], "validation")
    test = part(["a/1", "b/1", "a/2", "b/2"], ("a", "b"), [sure, sure, unsure, unsure])
    one, two, five = keep_promises(validation, test)
    assert (one.promised, one.accepted, one.wrong) == (0.01, None, None)  # 31 photographs cannot promise 1 %
    assert two.accepted is None
    assert five.accepted is not None and five.wrong is not None
    assert (five.accepted.right, five.accepted.total) == (2, 4) and (five.wrong.right, five.wrong.total) == (1, 2)


def test_twins_come_from_the_list_first_and_from_the_features_else() -> None:
    labels = ("a", "b")
    shown = part(["a/1", "a/2", "b/1"], labels, [[1, 0], [1, 0], [1, 0]])
    train = Photos(Path("nowhere"), labels, ("a/7", "a/8", "b/9"))
    features = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 0, 0]], np.float32)
    found = twins.find_twins(shown, features, train, {"a/1": "x", "a/8": "x", "b/1": "y", "b/2": "y"})
    assert found.nearest.tolist() == [1, 1, 0]
    assert found.cosine.tolist() == pytest.approx([0.6, 0.8, 0.0])
    assert found.listed.tolist() == [True, False, False]
    assert found.alike.tolist() == [True, False, False]  # a/7 is as near as can be
    counted = {name: (share.right, share.total) for name, share in twins.shares(shown, found, grouped=True)}
    assert counted["object listed in train too"] == (1, 1) and counted["twin by neither"] == (1, 2)
    assert len(twins.shares(shown, found, grouped=False)) == 2


class TintEngine:
    """Answers with the mean of the channel that each label names."""

    def __init__(self, bundle: Any) -> None:
        self._channels = [{"red": 0, "green": 1, "blue": 2}[label] for label in bundle.manifest.labels]

    def __enter__(self) -> TintEngine:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def infer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert images.shape == (1, 64, 64, 3)
        return images.mean(axis=(1, 2))[:, self._channels].astype(np.float32), np.zeros((1, 3, 2, 2), np.float32)


def bundle(labels: list[str]) -> Any:
    artefacts = {"model.onnx": SimpleNamespace(sha256="0" * 64)}
    manifest = SimpleNamespace(labels=labels, preprocessing=SPEC, artefacts=artefacts)
    return SimpleNamespace(manifest=manifest, path=Path("models/some"))


def test_a_bundles_answers_stand_in_the_runs_order_of_labels(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "OnnxRuntimeEngine", TintEngine)
    photos = scan(photo_folder)
    logits = cached_bundle_logits(bundle(["red", "blue", "green"]), photos, tmp_path, part="test")
    assert (logits.argmax(axis=1) == photos.targets).all()
    with pytest.raises(ConfigError, match="models/some: knows glass, red; the run knows blue, green, red"):
        cached_bundle_logits(bundle(["glass", "red"]), photos, tmp_path, part="test")


def test_a_bundle_is_compared_photograph_by_photograph() -> None:
    shown = part(["a/1", "a/2", "b/1"], ("a", "b"), [[1, 0], [1, 0], [0, 1]])
    found = compare(shown, np.array([[1, 0], [0, 2], [0, 1]], np.float32))
    assert (found.network.right, found.bundle.right, found.agreement.right) == (3, 2, 2)
    assert found.largest_difference == 2.0 and found.rms_difference == pytest.approx(np.sqrt(5 / 6))
    assert [(d.name, d.true, d.network, d.bundle) for d in found.differences] == [("a/2", "a", "a", "b")]
