"""How long a bin waits before it tries its broker again."""

from __future__ import annotations

from edge.mqtt.backoff import LASTING_S, Backoff


def test_waits_double_up_to_the_longest_and_no_two_bins_wait_alike() -> None:
    middle_s = [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    backoffs = [Backoff(0.5, 5.0) for _ in range(20)]
    for expected_s in middle_s:
        waits_s = [backoff.next_s() for backoff in backoffs]
        assert all(0.8 * expected_s <= wait_s <= 1.2 * expected_s for wait_s in waits_s)
        assert len(set(waits_s)) > 1


def test_after_a_connection_that_held_the_waiting_starts_anew_and_after_a_short_one_it_does_not() -> None:
    backoff = Backoff(1.0, 60.0)
    for _ in range(3):
        backoff.next_s()
    backoff.ended(LASTING_S / 2)
    assert backoff.next_s() >= 0.8 * 8
    backoff.ended(LASTING_S + 1)
    assert backoff.next_s() <= 1.2
