"""One engine at most is beside the one that sorts, and what is only tried leaves the processor to the sorting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.config import Config, load_config
from edge.engines.process import EngineProcess
from edge.errors import BundleError, CommandError
from edge.update.beside import Beside
from tests.small_bundle import KEY_PEM, write_bundle

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A bin whose own bundle is small and signed by the workshop."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/workshop.pub.pem").write_bytes(KEY_PEM)
    plain = load_config(SIM)
    changes = {"bundle": write_bundle(tmp_path / "small"), "keys": tmp_path / "keys"}
    classify = plain.classify.model_copy(update=changes)
    return plain.model_copy(update={"state_dir": tmp_path / "state", "classify": classify})


def test_another_model_names_a_photograph_gently_and_alone_and_is_gone_afterwards(config: Config) -> None:
    beside = Beside(config)
    with beside.classifier("config") as classifier:
        golden = classifier.bundle.golden
        assert classifier.predict(golden.images[:1]).labels == ("glass", "metal")
        engine = classifier.engine
        assert isinstance(engine, EngineProcess)
        assert os.getpriority(os.PRIO_PROCESS, engine.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        with pytest.raises(CommandError, match="in use already"), beside.classifier("config"):
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(engine.pid, 0)


def test_a_model_that_cannot_be_used_leaves_the_place_free(config: Config) -> None:
    beside = Beside(config)
    for _ in range(2):
        with pytest.raises(BundleError, match=r"manifest\.json"), beside.classifier("a"):
            pass
