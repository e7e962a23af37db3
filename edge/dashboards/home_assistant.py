"""The discovery messages of the simulated bin, to be looked at: every bin publishes its own by itself."""

from __future__ import annotations

import json
from pathlib import Path

from edge.config import load_config
from edge.mqtt.discovery import discovery_messages

SIM_CONFIG = Path(__file__).resolve().parents[2] / "configs/edge/sim.yaml"


def home_assistant() -> str:
    """Topic → message."""
    messages = discovery_messages(load_config(SIM_CONFIG))
    return json.dumps({topic: json.loads(text) for topic, text in messages.items()}, indent=1) + "\n"
