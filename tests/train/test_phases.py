from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train import phases  # noqa: E402
from train.config import FeaturesConfig, TrainConfig  # noqa: E402
from train.data import reference_split, scan  # noqa: E402
from train.model import build, normalise  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def test_features_are_computed_once_and_anew_for_another_weight_photograph_or_size(
    settings: dict[str, Any], photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    extract = phases.extract_features

    def counted(model: Any, inputs: np.ndarray, *rest: Any) -> Any:
        computed.append(len(inputs))
        return extract(model, inputs, *rest)

    monkeypatch.setattr(phases, "extract_features", counted)
    photos = reference_split(scan(photo_folder)).validation
    spec = TrainConfig.model_validate(settings).preprocessing
    torch.manual_seed(0)
    model = build("resnet18", "relu", 2)

    def features(photos: Any = photos, spec: Any = spec, **more: Any) -> Any:
        return phases.cached_features(model, photos, spec, 4, tmp_path / "cache", part="validation", **more)

    first = features()
    assert first.shape == (6, 512) and torch.equal(features(), first) and computed == [6]
    features(photos=photos.without(photos.names[:1]))
    features(spec=spec.model_copy(update={"size_px": 40}))
    features(precision=torch.bfloat16)
    with torch.no_grad():
        model.layer1[0].conv1.weight[0] += 1
    assert not torch.equal(features(), first)
    assert computed == [6, 5, 6, 6, 6]
    with torch.no_grad():
        model.fc.weight += 1  # the head sees the features, it does not make them
    features()
    assert len(computed) == 5 and {path.suffix for path in (tmp_path / "cache").iterdir()} == {".npy"}


def test_features_are_what_the_classifier_is_fed() -> None:
    torch.manual_seed(0)
    model = build("resnet18", "relu6", 2)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    features = phases.extract_features(model, pixels, 2)
    with torch.no_grad():
        assert torch.allclose(model.fc(features), model(normalise(torch.from_numpy(pixels))), atol=1e-4)


def test_of_the_heads_tried_validation_s_favourite_is_kept() -> None:
    rng = torch.Generator().manual_seed(0)
    targets = torch.arange(40) % 2
    features = torch.randn(40, 512, generator=rng)
    features[:, 0] += 6 * targets
    model = build("resnet18", "relu", 2)
    config = FeaturesConfig(l2=(1e-4, 100.0), steps=50)
    figures = phases.train_head(model, (features[:20], targets[:20]), (features[20:], targets[20:]), config, 0.0)
    weight, bias = phases.fit_head(features[:20], targets[:20], 2, l2=1e-4, steps=50, label_smoothing=0.0)
    assert torch.equal(model.fc.weight, weight) and torch.equal(model.fc.bias, bias)
    assert figures["right"] >= 18 and figures["total"] == 20
