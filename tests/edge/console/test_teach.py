"""The tab to teach: the bar towards enough, and the items with why they should be named."""

from __future__ import annotations

from edge.captures.messages import TeachItem, TeachResult
from edge.console.teach import bar_of, items_of
from edge.domain import Reason
from tests.captures import OTHER, named_capture

LABELS = ["glass", "metal"]


def found(items: list[TeachItem] | None = None, **named: int) -> TeachResult:
    return TeachResult(items=items or [], open={"DISPUTED": 1, "NOVEL": 3}, named=named, enough=10)


def test_more_of_one_label_does_not_stand_in_for_another() -> None:
    shown = bar_of(found(glass=25, metal=4), LABELS)
    assert "14 of 20" in shown and "<b>25</b>" in shown
    assert 'value="4" aria-label="metal: 4 of 10"' in shown
    assert "Enough to retrain is 10 of each label" in shown


def test_enough_says_what_to_do() -> None:
    assert "Enough to retrain. Download" in bar_of(found(glass=10, metal=11), LABELS)


def test_an_item_says_why_it_should_be_named_and_what_the_model_on_trial_says() -> None:
    disputed = named_capture(7, "glass", None, reason=Reason.UNCERTAIN, other=OTHER)
    shown = items_of(found([TeachItem(capture=disputed, why="DISPUTED")]), LABELS)
    assert "4 items not named yet: models disagree 1, unknown 3" in shown
    assert "models disagree</b>" in shown and "On trial, version 1.1.0 says <b>plastic</b> 80%" in shown
    assert shown.count("data-correct=") == 2


def test_an_item_of_the_random_sample_is_said_to_be_so_once() -> None:
    sampled = named_capture(7, "glass", None, sampled=True)
    assert items_of(found([TeachItem(capture=sampled, why="SAMPLED")]), LABELS).count("random sample") == 1
    unsure = items_of(found([TeachItem(capture=sampled, why="UNCERTAIN")]), LABELS)
    assert "not sure</b>" in unsure and ", of the random sample" in unsure


def test_when_all_is_named_the_page_says_so() -> None:
    assert "Nothing to name" in items_of(TeachResult(items=[], open={}, named={}, enough=10), LABELS)
