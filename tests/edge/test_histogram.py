"""Latencies drawn for a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.histogram import LIMITS_MS, buckets, histogram


@given(st.lists(st.floats(0, 1e6)))
def test_every_sample_falls_into_one_bucket(samples_ms: list[float]) -> None:
    assert sum(buckets(samples_ms)) == len(samples_ms)


def test_a_limit_belongs_to_its_bucket() -> None:
    assert buckets([1.0])[LIMITS_MS.index(1)] == 1
    assert buckets([1.01])[LIMITS_MS.index(2)] == 1
    assert buckets([1e6])[-1] == 1


def test_the_fullest_bucket_is_a_full_block_and_a_rare_one_is_seen() -> None:
    head, row = histogram({"infer": [10.0] * 1000 + [400.0]}).splitlines()
    assert row.startswith("infer") and row.count("█") == 1 and row.count("▁") == 1
    assert head.index("10 ") + 1 == row.index("█") and head.index("500") + 2 == row.index("▁")
