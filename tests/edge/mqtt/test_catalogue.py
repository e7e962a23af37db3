"""The catalogue of topics: the documentation and the schemas follow it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.mqtt import catalogue
from edge.mqtt.catalogue import CHANNELS, channel_of
from edge.mqtt.topics import Topics
from edge.payloads import json_schemas

ROOT = Path(__file__).resolve().parents[3]


def test_the_documented_topics_are_those_of_the_catalogue() -> None:
    text = (ROOT / "docs/mqtt.md").read_text(encoding="utf-8")
    assert catalogue.markdown() in text, "paste what `python -m edge.mqtt.catalogue` prints into docs/mqtt.md"


def test_every_link_of_the_table_leads_somewhere() -> None:
    text = (ROOT / "docs/mqtt.md").read_text(encoding="utf-8")
    headings = {line.strip("# ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\]\(#([\w-]+)\)", catalogue.markdown())) <= headings


def test_every_json_payload_has_its_schema_among_the_published_ones() -> None:
    published = list(json_schemas().values())
    for channel in CHANNELS:
        assert channel.bare or channel.payload.model_json_schema() in published, channel.path


@pytest.mark.parametrize(
    ("path", "pattern"),
    [("state", "state"), ("compartment/glass/fill", "compartment/<c>/fill"), ("alert/jam", "alert/<code>")],
)
def test_a_topic_belongs_to_one_channel(path: str, pattern: str) -> None:
    assert channel_of(path).path == pattern
    assert sum(channel.takes(path) for channel in CHANNELS) == 1


def test_an_unknown_topic_is_named_with_those_that_there_are() -> None:
    with pytest.raises(LookupError, match="no topic 'compartment/a/b/fill'; there are availability, state"):
        channel_of("compartment/a/b/fill")


def test_the_names_that_the_publisher_uses_are_in_the_catalogue() -> None:
    topics = Topics("lobby")
    used = [topics.availability, topics.state, topics.classification, topics.last_classification, topics.alert("jam")]
    used += [topics.count("glass"), topics.fill("glass"), topics.purity("glass"), topics.telemetry]
    used += [topics.response("home"), topics.last_image, topics.update]
    assert {channel_of(topic.removeprefix(f"{topics.base}/")).path for topic in used} == {c.path for c in CHANNELS}
