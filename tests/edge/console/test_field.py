"""Accuracy in the field as the console shows it: figures, what they cannot say, confusion and reliability."""

from __future__ import annotations

from edge.captures.messages import FieldBin, FieldLabel, FieldResult, ShareView
from edge.console.field import field_of


def share(right: int, total: int) -> ShareView:
    return ShareView(right=right, total=total, interval95=(0.25, 0.75))


def some(**changes: object) -> FieldResult:
    found = FieldResult(
        named=share(3, 5),
        sample=share(1, 2),
        sample_sure=share(0, 0),
        sample_open=2,
        labels=[
            FieldLabel(label="glass", recall=share(3, 4), precision=share(3, 3), confused=[3, 1]),
            FieldLabel(label="<b>", recall=share(0, 1), precision=share(0, 2), confused=[0, 1]),
        ],
        reliability=[FieldBin(p_from=0.5, p_to=0.6, mean_p=0.55, share=share(3, 5))],
        versions=["1.0.0"],
    )
    return found.model_copy(update=changes)


def test_the_figures_stand_with_their_intervals_the_sample_apart() -> None:
    shown = field_of(some())
    for text in ("60% (3 of 5)", "25% to 75%", "50% (1 of 2)", "none named", "75% (3 of 4)"):
        assert text in shown
    assert '<td style="--share:0.75">3</td>' in shown and "&lt;b&gt;" in shown
    assert "Reliability: 55% sure: 3 of 5 right" in shown


def test_what_the_figures_cannot_say_is_said() -> None:
    assert "people rather name what is wrong" in field_of(some())
    assert "2 items of the sample are not named yet: 25% to 75% of it is right" in field_of(some())
    assert "1 item of the sample is not named yet" in field_of(some(sample_open=1))
    assert "how often this bin is right is not known" in field_of(some(sample=share(0, 0)))
    assert "not named yet" not in field_of(some(sample_open=0))


def test_before_anybody_named_an_item_the_page_says_what_to_do() -> None:
    nothing = some(named=share(0, 0), sample=share(0, 0), labels=[], reliability=[])
    assert "Click what an item really is" in field_of(nothing)
