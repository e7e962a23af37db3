"""The journal of a bin that goes on when its disk does not."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.clock import ManualClock
from edge.domain import Outcome, SortEvent
from edge.errors import ForeignJournal
from edge.faults import Faults
from edge.journal import Journal, SteadyJournal
from edge.journal.steady import FLUSH_S, RETRY_S
from edge.payloads import EventPayload
from edge.sim.disk_faults import DiskFaults, damage
from tests.brokers import sample_event
from tests.edge.journal.test_store import FAST

FAULTS = ("full", "read_only", "unreadable")
DiskFault = Literal["full", "read_only", "unreadable"]


class Kept:
    """A journal on a disk that a test can break, with its clock and faults."""

    def __init__(self, folder: Path, *, max_in_memory: int = 100) -> None:
        self.path = folder / "journal.sqlite"
        self.clock = ManualClock()
        self.disk = DiskFaults(self.clock)
        self.faults = Faults(self.clock)
        self._max_in_memory = max_in_memory
        self.journal = self.open()

    def open(self, store: Callable[..., Journal] | None = None) -> SteadyJournal:
        self.journal = SteadyJournal(
            self.path,
            max_events=1000,
            max_in_memory=self._max_in_memory,
            faults=self.faults,
            clock=self.clock,
            store=store or self.disk.journal,
        )
        return self.journal.__enter__()

    def restart(self) -> None:
        self.journal.__exit__()
        self.open()

    def decide(self) -> SortEvent:
        event = sample_event(self.journal.next_seq())
        self.journal.record(event)
        return event

    def finish(self, event: SortEvent) -> UUID:
        self.journal.complete(sample_event(event.seq, "glass", Outcome.CONFIRMED, event.event_id))
        return event.event_id

    def sort(self, n: int = 1) -> list[UUID]:
        return [self.finish(self.decide()) for _ in range(n)]

    def repair(self) -> None:
        self.disk.fault = None
        self.clock.advance(RETRY_S)
        self.journal.tend()

    def waiting(self) -> list[UUID]:
        return [event.event_id for event in everything(self.journal)]

    def on_disk(self) -> list[EventPayload]:
        """What the file holds, oldest first, read as somebody else would."""
        with Journal(self.path, max_events=1000) as journal:
            return journal.newest(1000)[::-1]

    def codes(self) -> list[str]:
        return [fault.code for fault in self.faults.standing()]


def everything(journal: SteadyJournal) -> list[EventPayload]:
    return journal.outbox(10_000, live=False) + journal.outbox(10_000, live=True)


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    kept = Kept(tmp_path)
    yield kept
    kept.journal.__exit__()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_disk_stops_neither_sorting_nor_sending_and_is_told(kept: Kept, fault: DiskFault) -> None:
    before = kept.sort(2)
    kept.disk.fault = fault
    during = kept.sort(3)
    assert kept.codes() == ["journal_failed"]
    assert kept.waiting() == ([] if fault == "unreadable" else before) + during
    assert kept.journal.counts() in ({"glass": 5}, {"glass": 3})
    assert kept.journal.purity()["glass"].items in (5, 3)
    kept.repair()
    assert kept.codes() == []
    assert kept.waiting() == before + during
    assert kept.journal.counts() == {"glass": 5}
    assert kept.journal.purity()["glass"] == (5, pytest.approx(5 * 0.94))
    assert [(event.seq, event.event_id) for event in kept.on_disk()] == list(enumerate(before + during, start=1))


def test_an_item_whose_outcome_the_disk_refused_is_written_once_and_with_its_outcome(kept: Kept) -> None:
    event = kept.decide()
    kept.disk.fault = "full"
    kept.finish(event)
    assert kept.waiting() == [event.event_id]
    kept.repair()
    (written,) = kept.on_disk()
    assert (written.event_id, written.actuation.outcome) == (event.event_id, "CONFIRMED")


def test_what_the_broker_took_while_the_disk_failed_is_not_sent_again(kept: Kept) -> None:
    (before,) = kept.sort()
    kept.disk.fault = "read_only"
    (during,) = kept.sort()
    kept.journal.acknowledge(before, during)
    assert kept.waiting() == [] and kept.journal.depth() == 0
    kept.repair()
    kept.restart()
    assert kept.waiting() == [] and kept.journal.depth() == 0
    assert len(kept.on_disk()) == 2


def test_what_waited_for_the_disk_is_historical_once_it_is_written(kept: Kept) -> None:
    kept.disk.fault = "full"
    kept.sort()
    (live,) = kept.journal.outbox(9, live=True)
    assert not live.historical
    kept.repair()
    (backlog,) = kept.journal.outbox(9, live=False)
    assert backlog.historical and backlog.event_id == live.event_id


def test_a_slow_disk_is_told_until_three_items_were_written_quickly(kept: Kept) -> None:
    kept.sort()
    kept.disk.slow_s = 1.5
    kept.sort()
    assert kept.codes() == ["journal_slow"]
    assert "1.5 s" in kept.faults.standing()[0].message
    kept.disk.slow_s = 0.0
    kept.sort(2)
    assert kept.codes() == ["journal_slow"]
    kept.sort()
    assert kept.codes() == []


def test_the_disk_is_not_tried_before_its_time(kept: Kept) -> None:
    kept.disk.fault = "full"
    kept.sort()
    kept.disk.fault = None
    kept.clock.advance(RETRY_S - 1)
    kept.journal.tend()
    assert kept.codes() == ["journal_failed"]
    kept.clock.advance(1)
    kept.journal.tend()
    assert kept.codes() == []


def test_memory_is_bounded_acknowledged_events_go_first_and_the_loss_is_counted(tmp_path: Path) -> None:
    kept = Kept(tmp_path, max_in_memory=10)
    kept.disk.fault = "full"
    events = kept.sort(10)
    kept.journal.acknowledge(events[5])
    kept.sort()
    assert kept.journal.dropped == 0 and events[0] in kept.waiting()
    kept.sort()
    assert kept.journal.dropped == 1 and events[0] not in kept.waiting()
    kept.repair()
    assert kept.journal.dropped == 1 and len(kept.on_disk()) == 10
    kept.restart()
    assert kept.journal.dropped == 1
    kept.journal.__exit__()


def test_a_full_disk_as_sqlite_itself_finds_it(kept: Kept) -> None:
    store = kept.journal._store
    assert store is not None
    (pages,) = store._database().execute("PRAGMA max_page_count = 1").fetchone()
    sorted_: list[UUID] = []
    while not kept.codes():
        sorted_ += kept.sort()
        assert len(sorted_) < 200
    assert "disk is full; make room" in kept.faults.standing()[0].message
    sorted_ += kept.sort(3)
    kept.repair()  # opened anew, the limit is gone
    assert kept.codes() == [] and pages > 1
    assert [event.event_id for event in kept.on_disk()] == sorted_


def test_numbers_rise_through_a_start_without_a_disk(kept: Kept) -> None:
    kept.sort(5)
    kept.journal.__exit__()
    kept.disk.fault = "unreadable"
    kept.open()
    assert kept.codes() == ["journal_failed"]
    unseen = kept.decide()
    kept.finish(unseen)
    assert unseen.seq > 5
    kept.repair()
    kept.restart()
    assert kept.decide().seq == unseen.seq + 1
    assert len(kept.waiting()) == 6


def test_what_an_earlier_run_left_undecided_is_sent_as_interrupted_and_what_this_run_decides_is_not(kept: Kept) -> None:
    left = kept.decide()
    kept.journal.__exit__()
    kept.disk.fault = "unreadable"
    kept.open()
    mine = kept.decide()
    kept.repair()
    assert kept.waiting() == [left.event_id]
    kept.finish(mine)
    assert [event.actuation.outcome for event in everything(kept.journal)] == ["INTERRUPTED", "CONFIRMED"]


def test_a_number_given_without_sight_of_the_database_never_replaces_an_event(kept: Kept) -> None:
    kept.sort(3)
    kept.journal.__exit__()
    with Journal(kept.path, max_events=1000) as journal:
        stranger = sample_event(2, outcome=Outcome.CONFIRMED)
        journal.adopt([stranger])
        journal.adopt([stranger])
        assert len({event.event_id for event in journal.newest(9)}) == 4
    assert [event.seq for event in kept.on_disk()] == [1, 2, 3, 2]  # the payload keeps what was published


def test_a_file_damaged_while_the_bin_was_off_is_set_aside_and_its_numbers_go_on(kept: Kept) -> None:
    kept.sort(40)
    kept.journal.__exit__()
    damage(kept.path)
    damaged = kept.path.read_bytes()
    kept.open()
    kept.journal.tend()
    assert kept.codes() == ["journal_replaced"]
    (aside,) = kept.path.parent.glob("journal-damaged-*.sqlite")
    assert aside.read_bytes() == damaged
    assert aside.name in kept.faults.standing()[0].message
    assert kept.decide().seq > 40
    kept.restart()
    assert kept.journal.next_seq() > 41


def test_a_file_that_is_no_database_is_set_aside_too(kept: Kept) -> None:
    kept.journal.__exit__()
    kept.path.write_bytes(b"a letter to the mayor " * 200)
    kept.open()
    assert kept.codes() == ["journal_replaced"]
    kept.sort()
    assert len(kept.on_disk()) == 1


def test_a_file_damaged_under_a_running_bin_is_replaced_and_no_count_goes_down(kept: Kept) -> None:
    kept.sort(40)
    assert kept.journal.counts() == {"glass": 40}
    store = kept.journal._store
    assert store is not None
    store._database().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._database().execute("PRAGMA shrink_memory")  # else SQLite goes on with the pages it remembers
    damage(kept.path)
    event = kept.decide()
    kept.finish(event)
    kept.journal.tend()
    assert "journal_replaced" in kept.codes() and "journal_failed" not in kept.codes()
    assert kept.journal.counts() == {"glass": 41}
    assert kept.waiting() == [event.event_id]
    assert kept.decide().seq == event.seq + 1


def test_only_the_newest_damaged_files_are_kept(kept: Kept) -> None:
    for _ in range(4):
        kept.journal.__exit__()
        kept.path.write_bytes(b"x" * 5000)
        kept.clock.advance(1)
        kept.open()
    assert len(list(kept.path.parent.glob("journal-damaged-*"))) == 2


def test_the_newest_damaged_file_is_kept_when_the_clock_was_set_back(kept: Kept) -> None:
    for n in range(3):
        kept.journal.__exit__()
        kept.path.write_bytes(bytes([120 + n]) * 5000)
        kept.clock.set_wall_clock(-3600)
        kept.open()
    assert b"z" * 5000 in [path.read_bytes() for path in kept.path.parent.glob("journal-damaged-*.sqlite")]


def test_another_programs_database_is_refused_and_left_alone(kept: Kept) -> None:
    kept.journal.__exit__()
    kept.path.unlink()
    foreign = sqlite3.connect(kept.path)
    foreign.executescript("CREATE TABLE recipes (name TEXT)")
    foreign.close()
    with pytest.raises(ForeignJournal, match="some other program's database"):
        kept.open()


def test_acknowledgements_cost_no_commit_of_their_own(kept: Kept) -> None:
    said: list[str] = []
    store = kept.journal._store
    assert store is not None
    store._database().set_trace_callback(said.append)
    for _ in range(20):
        kept.journal.acknowledge(*kept.sort())
        kept.journal.tend()
    assert said.count("COMMIT") == 40, "one before the movement, one after it"
    kept.clock.advance(FLUSH_S)
    kept.journal.tend()
    assert said.count("COMMIT") == 41
    with Journal(kept.path, max_events=1000) as reader:
        assert reader.depth() == 0


class FailingDisk(RuleBasedStateMachine):
    """Items, acknowledgements, restarts and a disk that comes and goes: nothing lost, nothing twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.kept = Kept(Path(self.stack.enter_context(tempfile.TemporaryDirectory(dir=FAST))), max_in_memory=200)
        self.sorted: list[UUID] = []
        self.acked: set[UUID] = set()
        self.seqs: list[int] = []

    def teardown(self) -> None:
        self.kept.repair()
        assert self.kept.journal.dropped == 0, "at most 150 items, and memory has room for 200"
        self.kept.journal.__exit__()
        assert [event.event_id for event in self.kept.on_disk()] == self.sorted
        self.stack.close()

    @rule(n=st.integers(1, 3), breaks=st.sampled_from([None, None, *FAULTS]))
    def sort(self, n: int, breaks: DiskFault | None) -> None:
        for _ in range(n):
            event = self.kept.decide()
            if breaks is not None:  # between the decision and its outcome
                self.kept.disk.fault = breaks
            self.seqs.append(event.seq)
            self.sorted.append(self.kept.finish(event))

    @rule(fault=st.sampled_from([None, *FAULTS]))
    def disk(self, fault: DiskFault | None) -> None:
        self.kept.disk.fault = fault

    @rule(seconds=st.sampled_from([1.0, RETRY_S, FLUSH_S]))
    def tend(self, seconds: float) -> None:
        self.kept.clock.advance(seconds)
        self.kept.journal.tend()

    @rule(limit=st.integers(1, 5), live=st.booleans())
    def deliver(self, limit: int, live: bool) -> None:
        sent = [event.event_id for event in self.kept.journal.outbox(limit, live=live)]
        assert not self.acked & set(sent), "sent again after its acknowledgement"
        self.kept.journal.acknowledge(*sent)
        self.acked.update(sent)

    @rule()
    def connect(self) -> None:
        self.kept.journal.mark_backlog()

    @rule()
    def restart_on_a_sound_disk(self) -> None:
        self.kept.repair()
        self.kept.restart()

    @invariant()
    def nothing_is_lost_and_nothing_is_there_twice(self) -> None:
        waiting = self.kept.waiting()
        assert len(waiting) == len(set(waiting))
        if self.kept.disk.fault != "unreadable" and self.kept.journal._store is not None:
            assert set(waiting) == set(self.sorted) - self.acked
            assert self.kept.journal.depth() == len(waiting)
        assert self.seqs == sorted(set(self.seqs))


TestFailingDisk = FailingDisk.TestCase
TestFailingDisk.settings = settings(max_examples=20, stateful_step_count=50, deadline=None)
