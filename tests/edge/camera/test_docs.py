"""docs/cameras.md: every config in it is one that a bin takes, and no type of camera is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from edge.config import CameraConfig, Config

ROOT = Path(__file__).parents[3]
SNIPPETS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/cameras.md").read_text(), re.DOTALL)


def with_real_pins(**sections: Any) -> Config:
    document = yaml.safe_load((ROOT / "configs/edge/sim.yaml").read_text())
    if sections.get("camera", {}).get("type") != "footage":
        document["actuator"]["pin_factory"] = "lgpio"
        document["camera"] = {"type": "opencv", "source": 0}
    return Config.model_validate({**document, **sections})


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_config_of_the_docs_is_valid(snippet: str) -> None:
    sections = yaml.safe_load(snippet)
    read = with_real_pins(**sections)
    for section, keys in sections.items():
        assert getattr(read, section).model_fields_set == set(keys)


def test_every_type_of_camera_is_in_the_docs() -> None:
    types = {get_args(section.model_fields["type"].annotation)[0] for section in get_args(get_args(CameraConfig)[0])}
    assert types == {sections["camera"]["type"] for s in SNIPPETS if "camera" in (sections := yaml.safe_load(s))}
