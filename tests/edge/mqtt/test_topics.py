"""Topic names."""

from __future__ import annotations

import pytest

from edge.mqtt.topics import Topics


def test_topics_are_the_documented_ones() -> None:
    topics = Topics("lobby-2")
    assert topics.availability == "smartbin/lobby-2/availability"
    assert topics.state == "smartbin/lobby-2/state"
    assert topics.classification == "smartbin/lobby-2/classification"
    assert topics.last_classification == "smartbin/lobby-2/classification/last"
    assert topics.telemetry == "smartbin/lobby-2/telemetry"
    assert topics.alert("jam") == "smartbin/lobby-2/alert/jam"
    assert topics.requests == "smartbin/lobby-2/request/+"
    assert topics.request("jog") == "smartbin/lobby-2/request/jog"
    assert topics.response("jog") == "smartbin/lobby-2/response/jog"
    assert topics.count("glass") == "smartbin/lobby-2/compartment/glass/count"


@pytest.mark.parametrize("bin_id", ["", "Lobby", "a/b", "a+b", "#", "x" * 41])
def test_bin_id_that_would_break_a_topic_is_refused(bin_id: str) -> None:
    with pytest.raises(ValueError, match="a bin_id is"):
        Topics(bin_id)
