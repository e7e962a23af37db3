"""The history tab's filters: what is chosen on the page is what the control socket is asked."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from edge.captures.messages import CapturesArguments
from edge.console.filters import Chosen, asked_for

NOW = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
ANY = Chosen("any", "any time", "any", "any", "any", "any", 0, 100, "", "")


def asked(**chosen: Any) -> CapturesArguments:
    """What the daemon understands."""
    return CapturesArguments.model_validate(asked_for(ANY._replace(**chosen), NOW))


def test_nothing_chosen_asks_for_everything() -> None:
    assert asked() == CapturesArguments()


def test_label_reason_outcome_correction_and_sample_are_asked_for() -> None:
    found = asked(
        label="glass", reason="NOVEL", outcome="JAMMED", corrected="not corrected", sampled="of the random sample"
    )
    assert (found.label, found.reason, found.outcome) == ("glass", "NOVEL", "JAMMED")
    assert (found.corrected, found.sampled) == (False, True)


def test_confidence_is_a_range_in_percent() -> None:
    found = asked(at_least=50, below=80)
    assert (found.p_from, found.p_below) == (0.5, 0.8)
    assert asked(at_least=None, below=None) == asked(at_least=0, below=100) == CapturesArguments()


def test_the_later_of_two_beginnings_counts() -> None:
    assert asked(when="the last day").since == datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
    late = datetime(2026, 11, 29, 7, 30).astimezone()
    assert asked(when="the last week", start="2026-11-29 07:30").since == late
    assert asked(when="the last hour", start="2026-11-01").since == datetime(2026, 11, 29, 11, tzinfo=timezone.utc)


def test_a_day_alone_is_meant_from_its_beginning_to_its_end() -> None:
    found = asked(start="2026-11-28", end=" 2026-11-28 ")
    assert (found.since, found.until) == (datetime(2026, 11, 28).astimezone(), datetime(2026, 11, 29).astimezone())
    assert asked(end="2026-11-28 10:00:30").until == datetime(2026, 11, 28, 10, 0, 30).astimezone()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"start": "yesterday"}, "From: expected 2026-11-29 or 2026-11-29 14:05, found 'yesterday'"),
        ({"end": "2026-02-30"}, "Until: expected"),
        ({"end": "9999-12-31"}, "Until: expected"),
        ({"at_least": 101}, "Sure at least: expected 0 to 100, found 101"),
        ({"below": -1}, "Sure less than: expected 0 to 100, found -1"),
    ],
)
def test_what_is_no_time_or_no_share_is_said(chosen: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked(**chosen)
