"""A photograph is tried with the model that sorts, or with another one of the bin; nothing moves."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.classify import Classifier
from edge.config import Config
from edge.control import ClassifyArguments, ClassifyResult
from edge.daemon import Daemon
from edge.domain import Engine
from edge.errors import EngineAway
from edge.trial import try_photograph
from edge.update.beside import Beside
from tests.edge.commands.test_actions import config, running

__all__ = ["config"]

GREY = base64.b64encode(cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))[1].tobytes())


class Sure:
    """An engine that is sure of one label."""

    name, precision = "sure", "int8"

    def __init__(self, label: int, labels: int) -> None:
        self.logits = np.where(np.arange(labels) == label, 9.0, 0.0)[None].astype(np.float32)

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.logits, np.tile(self.logits[:, :, None, None], (1, 1, 6, 6))


class OneBeside:
    """Stands in for edge.update.beside.Beside: the same bundle, with an engine of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.slots = daemon, list[str]()

    @contextmanager
    def classifier(self, slot: str) -> Iterator[Classifier]:
        self.slots.append(slot)
        bundle = self.daemon.classifier.bundle
        yield Classifier(bundle, cast(Engine, Sure(1, len(bundle.manifest.labels))))


def test_another_model_answers_by_the_sites_own_policy_and_the_bin_goes_on_with_its_own(config: Config) -> None:
    with running(config) as bin_:
        daemon, beside = bin_.daemon, OneBeside(bin_.daemon)
        asked = {"name": "grey.png", "image": GREY}

        def ask(slot: str | None) -> ClassifyResult:
            arguments = ClassifyArguments.model_validate(asked | {"slot": slot})
            return try_photograph(daemon, cast(Beside, beside), arguments)

        manifest = daemon.classifier.bundle.manifest
        answer = ask("a")
        assert answer.model == f"{manifest.name} {manifest.version}"
        label = manifest.labels[1]
        assert answer.top3[0].label == label
        assert answer.compartment == config.sorting.routes[label]
        assert beside.slots == ["a"]
        with pytest.raises(EngineAway):  # this bin's own engine never started: the other one's answer is no stand-in
            ask(None)
        assert beside.slots == ["a"]
