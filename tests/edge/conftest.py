"""SMARTBIN_PATIENCE: how many times as long an engine may take. On an emulated processor a picture takes seconds."""

from __future__ import annotations

from typing import Any

import pytest

from edge.engines.process import EngineProcess
from tests.patience import PATIENCE


@pytest.fixture(scope="session", autouse=True)
def _patience() -> None:
    if PATIENCE != 1:
        ask = EngineProcess._ask

        def patient(process: EngineProcess, message: dict[str, Any], timeout_s: float) -> dict[str, Any]:
            return ask(process, message, PATIENCE * timeout_s)

        EngineProcess._ask = patient  # type: ignore[method-assign]
