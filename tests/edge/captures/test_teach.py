"""What is to be named next: each kind in its turn, the most telling first; and how much is enough."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.captures.capture import Capture
from edge.captures.teach import named_by_label, teach_next, why_of
from edge.domain import Reason
from tests.captures import OTHER, entries, named_capture


def order(*captures: Capture) -> list[int]:
    return [entry.seq for entry in teach_next(entries(*captures))]


def unsure(seq: int, p: float) -> Capture:
    return named_capture(seq, "glass", None, p=p, reason=Reason.UNCERTAIN)


def novel(seq: int, novelty: float) -> Capture:
    return named_capture(seq, "glass", None, reason=Reason.NOVEL, novelty=novelty)


def test_of_each_kind_the_most_telling_comes_first_and_the_kinds_take_turns() -> None:
    assert order(
        unsure(1, 0.5),
        unsure(2, 0.3),
        novel(3, -2.0),
        novel(4, 1.0),
        named_capture(5, "glass", None, other=OTHER),
        named_capture(6, "glass", None, other=OTHER),
        named_capture(7, "glass", None, reason=Reason.MIXED),
    ) == [6, 2, 4, 7, 5, 1, 3]


def test_the_random_sample_and_the_rest_come_after_what_is_hard_and_what_is_named_not_at_all() -> None:
    assert order(
        named_capture(1, "glass", None),
        named_capture(2, "glass", None, sampled=True),
        unsure(3, 0.4),
        named_capture(4, "glass", "metal", reason=Reason.UNCERTAIN),
    ) == [3, 2, 1]


def test_a_dispute_tells_more_than_the_reason() -> None:
    [entry] = entries(named_capture(1, "glass", None, reason=Reason.NOVEL, other=OTHER))
    assert why_of(entry) == "DISPUTED"


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(
            lambda reason, sampled, named, disputed: (reason, sampled, named, disputed),
            st.sampled_from(Reason),
            st.booleans(),
            st.booleans(),
            st.booleans(),
        ),
        max_size=15,
    )
)
def test_each_that_nobody_has_named_comes_once(items: list[tuple[Reason, bool, bool, bool]]) -> None:
    captures = [
        named_capture(n, "a", "a" if named else None, reason=reason, sampled=sampled, other=OTHER if disputed else None)
        for n, (reason, sampled, named, disputed) in enumerate(items, 1)
    ]
    assert sorted(order(*captures)) == [each.event.seq for each in captures if each.correction is None]


def test_what_is_named_counts_for_the_label_that_a_person_gave_since_the_newest_model_sorts() -> None:
    known = entries(
        named_capture(1, "glass", "metal", version="1.0.0"),
        named_capture(2, "glass", "metal", version="1.1.0"),
        named_capture(3, "glass", "glass", version="1.1.0"),
        named_capture(4, "glass", None, version="1.1.0"),
    )
    assert named_by_label(known) == {"metal": 1, "glass": 1}
    assert named_by_label([]) == {}
