"""Accuracy in the field: counted from what people said, the random sample apart from what was kept for being hard."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle.figures import wilson_interval
from edge.captures.capture import Correction
from edge.captures.entry import CaptureFilter
from edge.captures.field import EDGES, figures_of
from edge.captures.store import CaptureStore
from tests.captures import DAY_0, JPEG, entries, named_capture


def test_right_is_what_a_person_gave_the_same_name() -> None:
    found = figures_of(
        entries(named_capture(1, "glass", "glass"), named_capture(2, "glass", "metal"), named_capture(3, "glass", None))
    )
    assert (found.named.right, found.named.total) == (1, 2)
    assert found.named.interval95 == wilson_interval(1, 2)


def test_the_random_sample_stands_apart_and_says_how_much_of_it_nobody_has_named() -> None:
    found = figures_of(
        entries(
            named_capture(1, "glass", "metal"),
            named_capture(2, "glass", "glass", sampled=True),
            named_capture(3, "glass", "paper", sampled=True, p=0.4),
            named_capture(4, "glass", None, sampled=True),
        )
    )
    assert (found.named.right, found.named.total) == (1, 3)
    assert (found.sample.right, found.sample.total, found.sample_open) == (1, 2, 1)
    assert (found.sample_sure.right, found.sample_sure.total) == (1, 1)


def test_recall_precision_and_confusion_are_of_the_items_asked_for() -> None:
    known = entries(
        named_capture(1, "glass", "glass"),
        named_capture(2, "metal", "glass"),
        named_capture(3, "metal", "metal"),
        named_capture(4, "trash", "metal", sampled=True),
    )
    glass, metal = figures_of(known, sampled=False).labels
    assert (glass.label, glass.confused, metal.label, metal.confused) == ("glass", [1, 1], "metal", [0, 1])
    assert (glass.recall.right, glass.recall.total, glass.precision.total) == (1, 2, 1)
    assert (metal.precision.right, metal.precision.total) == (1, 2)
    assert [row.label for row in figures_of(known).labels] == ["glass", "metal", "trash"]


def test_items_are_counted_together_that_the_network_was_as_sure_of() -> None:
    really = {0.3: "metal", 0.82: "metal", 0.84: "glass", 1.0: "glass"}
    known = entries(*(named_capture(n, "glass", label, p=p) for n, (p, label) in enumerate(really.items(), 1)))
    low, high, certain = figures_of(known).reliability
    assert (low.p_from, low.p_to, low.share.right) == (0.0, 0.5, 0)
    assert (high.share.right, high.share.total, high.mean_p) == (1, 2, pytest.approx(0.83))
    assert (certain.mean_p, certain.share.right) == (1.0, 1)


def test_what_another_model_named_is_left_out_and_every_version_is_listed() -> None:
    known = entries(
        named_capture(1, "glass", "metal", version="1.0.0"), named_capture(2, "glass", "glass", version="1.1.0")
    )
    found = figures_of(known, CaptureFilter(version="1.1.0"))
    assert (found.named.right, found.named.total, found.versions) == (1, 1, ["1.1.0", "1.0.0"])


def test_without_a_word_of_anybody_there_is_nothing_and_no_error() -> None:
    for known in ([], entries(named_capture(1, "glass", None, sampled=True))):
        found = figures_of(known)
        assert (found.named.total, found.labels, found.reliability) == (0, [], [])


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(
            lambda said, really, p, sampled: (said, really, p, sampled),
            st.sampled_from("abc"),
            st.sampled_from("abc"),
            st.one_of(st.sampled_from(EDGES), st.floats(0, 1)),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_every_table_counts_each_item_once(items: list[tuple[str, str, float, bool]]) -> None:
    known = entries(
        *(named_capture(n, said, really, p=p, sampled=s) for n, (said, really, p, s) in enumerate(items, 1))
    )
    found = figures_of(known)
    assert found.named.total == len(items) == sum(row.recall.total for row in found.labels)
    assert sum(map(sum, (row.confused for row in found.labels))) == len(items)
    assert sum(row.share.total for row in found.reliability) == len(items)
    assert sum(row.share.right for row in found.reliability) == found.named.right
    hard = figures_of(known, sampled=False).named
    assert (hard.right + found.sample.right, hard.total + found.sample.total) == (found.named.right, found.named.total)


def test_a_correction_counts_at_once_and_the_disk_is_not_asked(tmp_path: Path) -> None:
    store = CaptureStore(tmp_path / "captures", budget_bytes=10**6, reserve_mb=0)
    store.open()
    capture = named_capture(1, "glass", None)
    store.add(capture, JPEG)
    store.correct(capture.event_id, Correction(label="metal", by="kim", at=DAY_0))
    (store.folder / store.entries()[0].name).unlink()
    assert figures_of(store.entries()).named.total == 1
