"""The comparison of two models as the console shows it."""

from __future__ import annotations

from edge.captures.field import share_of
from edge.captures.messages import ComparisonResult, ComparisonView, PairView
from edge.console.compare import comparison_of


def test_both_models_stand_side_by_side_with_what_may_be_chance_and_what_may_be_learnt() -> None:
    pair = PairView(old=share_of(3, 8), new=share_of(6, 8), better=4, worse=1, chance=0.375)
    none = PairView(old=share_of(0, 0), new=share_of(0, 0), better=0, worse=0, chance=1.0)
    result = ComparisonResult(old="0.3.0", new="0.4.0", all=pair, unseen=none)
    shown = comparison_of(ComparisonView(running=False, done=16, wanted=16, result=result))
    for text in ("Old, 0.3.0", "38% (3 of 8 items)", "75% (6 of 8 items)", "<td>4</td><td>1</td>", "38%</td></tr>"):
        assert text in shown
    assert '<td colspan="5">none</td>' in shown and "may have taught the new model" in shown


def test_how_far_it_is_and_what_went_wrong_is_said() -> None:
    assert "3 of 16" in comparison_of(ComparisonView(running=True, done=3, wanted=16))
    assert "Slot a is empty." in comparison_of(ComparisonView(running=False, wanted=16, error="slot a is empty"))
    assert comparison_of(ComparisonView(running=False)) == ""
