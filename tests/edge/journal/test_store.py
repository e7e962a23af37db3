"""The journal: what it has promised survives whatever happens to the program."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from edge.domain import Outcome, SortEvent
from edge.errors import JournalError
from edge.journal import JOURNAL_VERSION, Journal
from edge.payloads import EventPayload, json_schemas
from tests.brokers import sample_event

FINAL = [outcome for outcome in Outcome if outcome is not Outcome.PENDING]
COMPARTMENTS = ["glass", "paper", "residual"]
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A folder in memory, for tests that write thousands of times and have crashes of their own making."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db", max_events=1000) as opened:
        yield opened


def with_outcome(event: SortEvent, outcome: Outcome) -> SortEvent:
    return sample_event(event.seq, event.decision.compartment, outcome, event.event_id)


def sort_one(
    journal: Journal,
    compartment: str = "glass",
    outcome: Outcome = Outcome.CONFIRMED,
    p_right: float | None = 0.94,
) -> SortEvent:
    """One item, recorded and completed."""
    event = sample_event(journal.next_seq(), compartment)
    event = replace(event, decision=replace(event.decision, p_right=p_right))
    journal.record(event)
    done = replace(event, outcome=outcome)
    journal.complete(done)
    return done


def ids(events: list[EventPayload]) -> list[UUID]:
    return [event.event_id for event in events]


def everything(journal: Journal) -> list[EventPayload]:
    return journal.outbox(10_000, live=True) + journal.outbox(10_000, live=False)


def test_event_may_be_published_only_when_it_has_its_outcome(journal: Journal) -> None:
    event = sample_event(journal.next_seq())
    journal.record(event)
    assert everything(journal) == [] and journal.depth() == 0
    journal.complete(with_outcome(event, Outcome.JAMMED))
    (payload,) = everything(journal)
    assert (payload.event_id, payload.actuation.outcome) == (event.event_id, "JAMMED")


def test_acknowledged_event_leaves_the_outbox_and_stays_in_the_history(journal: Journal) -> None:
    event = sort_one(journal)
    journal.acknowledge(event.event_id)
    assert everything(journal) == [] and journal.depth() == 0
    assert ids(journal.newest(5)) == [event.event_id]


def test_pending_event_cannot_be_acknowledged(journal: Journal) -> None:
    event = sample_event(journal.next_seq())
    journal.record(event)
    journal.acknowledge(event.event_id, uuid4())
    journal.complete(with_outcome(event, Outcome.CONFIRMED))
    assert ids(everything(journal)) == [event.event_id]


def test_finished_events_are_live_until_the_backlog_is_marked(journal: Journal) -> None:
    waited = sort_one(journal)
    journal.mark_backlog()
    fresh = sort_one(journal)
    (live,), (backlog,) = journal.outbox(9, live=True), journal.outbox(9, live=False)
    assert (live.event_id, live.historical) == (fresh.event_id, False)
    assert (backlog.event_id, backlog.historical) == (waited.event_id, True)


def test_event_pending_while_the_backlog_is_marked_is_live_when_it_finishes(journal: Journal) -> None:
    slow = sample_event(journal.next_seq())
    journal.record(slow)
    sort_one(journal)
    journal.mark_backlog()
    journal.complete(with_outcome(slow, Outcome.CONFIRMED))
    assert ids(journal.outbox(9, live=True)) == [slow.event_id]


def test_events_of_an_earlier_run_are_backlog_and_the_numbers_go_on(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db", max_events=10) as first:
        finished = sort_one(first)
        unfinished = sample_event(first.next_seq())
        first.record(unfinished)
    with Journal(tmp_path / "journal.db", max_events=10) as second:
        mine = sample_event(second.next_seq())
        second.record(mine)
        assert mine.seq == unfinished.seq + 1
        assert second.recover() == 1
        assert second.recover() == 0
        backlog = second.outbox(9, live=False)
        assert ids(backlog) == [finished.event_id, unfinished.event_id]
        assert [event.actuation.outcome for event in backlog] == ["CONFIRMED", "INTERRUPTED"]
        assert second.outbox(9, live=True) == []
        second.complete(with_outcome(mine, Outcome.CONFIRMED))  # recover() left the event of this run alone
        assert ids(second.outbox(9, live=True)) == [mine.event_id]


def test_outbox_is_oldest_first_without_those_under_way(journal: Journal) -> None:
    events = [sort_one(journal) for _ in range(5)]
    wanted = [event.event_id for event in events]
    assert ids(journal.outbox(2, live=True)) == wanted[:2]
    assert ids(journal.outbox(2, live=True, skip={wanted[0], wanted[2]})) == [wanted[1], wanted[3]]


def test_counts_are_confirmed_items_and_outlive_their_events(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db", max_events=10) as journal:
        for outcome in FINAL:
            sort_one(journal, "paper", outcome)
        for _ in range(30):
            sort_one(journal, "glass")
        assert journal.counts() == {"glass": 30, "paper": 1}
    with Journal(tmp_path / "journal.db", max_events=10) as journal:
        assert journal.counts() == {"glass": 30, "paper": 1}


def test_purity_is_the_mean_of_what_was_expected_of_the_confirmed_items_and_outlives_them(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db", max_events=3) as journal:
        assert journal.purity() == {}
        for p_right, outcome in [(0.9, Outcome.CONFIRMED), (0.5, Outcome.CONFIRMED), (0.1, Outcome.JAMMED)] * 4:
            sort_one(journal, "glass", outcome, p_right)
        sort_one(journal, "paper", p_right=None)
    with Journal(tmp_path / "journal.db", max_events=3) as journal:
        assert journal.purity().keys() == {"glass"}, "of paper nothing is known"
        assert journal.purity()["glass"].items == 8
        assert journal.purity()["glass"].percent == pytest.approx(70.0)


def test_bounded_journal_lets_acknowledged_events_go_first_and_counts_what_it_loses(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db", max_events=10) as journal:
        events = [sort_one(journal) for _ in range(10)]
        newest_two = [event.event_id for event in events[8:]]
        journal.acknowledge(*newest_two)
        sort_one(journal)
        sort_one(journal)
        assert journal.dropped == 0 and journal.depth() == 10
        assert not set(newest_two) & set(ids(journal.newest(20)))
        sort_one(journal)
        assert journal.dropped == 1 and events[0].event_id not in ids(everything(journal))
    with Journal(tmp_path / "journal.db", max_events=10) as journal:
        assert journal.dropped == 1


def test_pending_event_is_never_deleted_to_make_room(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db", max_events=10) as journal:
        pending = sample_event(journal.next_seq())
        journal.record(pending)
        for _ in range(20):
            sort_one(journal)
        assert len(journal.newest(99)) == 10
        journal.complete(with_outcome(pending, Outcome.CONFIRMED))


@pytest.mark.parametrize("outcome", FINAL)
def test_every_payload_in_the_outbox_obeys_the_published_schema(journal: Journal, outcome: Outcome) -> None:
    sort_one(journal, outcome=outcome)
    (payload,) = everything(journal)
    jsonschema.validate(
        payload.model_dump(mode="json", by_alias=True),
        json_schemas()["classification"],
        format_checker=jsonschema.FormatChecker(),
    )


def test_misuse_is_refused(journal: Journal) -> None:
    event = sample_event(journal.next_seq())
    with pytest.raises(ValueError, match="not recorded"):
        journal.complete(with_outcome(event, Outcome.CONFIRMED))
    with pytest.raises(ValueError, match="PENDING"):
        journal.record(with_outcome(event, Outcome.CONFIRMED))
    journal.record(event)
    with pytest.raises(ValueError, match="PENDING"):
        journal.complete(event)
    with pytest.raises(ValueError, match="already"):
        journal.record(event)
    with pytest.raises(ValueError, match="already"):
        journal.record(sample_event(event.seq))
    journal.complete(with_outcome(event, Outcome.CONFIRMED))
    with pytest.raises(ValueError, match="completed already"):
        journal.complete(with_outcome(event, Outcome.CONFIRMED))
    assert journal.counts() == {"glass": 1}


def test_threads_may_share_a_journal(journal: Journal) -> None:
    """One thread sorts, two send and acknowledge the same events, as fast as they can."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - told below
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    sorting = guarded(lambda: [sort_one(journal) for _ in range(25)])

    def send() -> None:
        while sorting.is_alive() or journal.depth():
            journal.acknowledge(*ids(everything(journal)))

    senders = [guarded(send) for _ in range(2)]
    for thread in (sorting, *senders):
        thread.join()
    assert failures == []
    assert journal.counts() == {"glass": 25} and journal.depth() == 0


# What cannot be used is refused with words.


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"file/deeper.*: Not a directory; .* set state_dir"):
        Journal(tmp_path / "file" / "deeper" / "journal.db", max_events=10).__enter__()


def test_path_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="its folder must be writable"):
        Journal(tmp_path, max_events=10).__enter__()


def test_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"a letter to the mayor " * 200)
    with pytest.raises(JournalError, match="damaged or something else"):
        Journal(path, max_events=10).__enter__()
    assert path.read_bytes() == b"a letter to the mayor " * 200


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (f"PRAGMA user_version = {JOURNAL_VERSION + 1}", f"journal of version {JOURNAL_VERSION + 1}.*newer program"),
        ("CREATE TABLE recipes (name TEXT)", "some other program's database"),
    ],
)
def test_newer_or_foreign_database_is_refused(tmp_path: Path, script: str, message: str) -> None:
    path = tmp_path / "journal.db"
    foreign = sqlite3.connect(path)
    foreign.executescript(script)
    foreign.close()
    with pytest.raises(JournalError, match=message):
        Journal(path, max_events=10).__enter__()


def test_full_disk_refuses_the_new_event_and_keeps_the_old_ones(tmp_path: Path) -> None:
    with WatchedJournal(tmp_path / "journal.db", max_events=1000) as journal:
        kept = sort_one(journal)
        journal.connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size: nothing more fits
        with pytest.raises(JournalError, match="full; make room"):
            for seq in range(2, 200):
                journal.record(sample_event(seq))
        assert kept.event_id in ids(everything(journal))
        journal.acknowledge(kept.event_id)  # still works


def test_closed_journal_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db", max_events=10)
    with pytest.raises(JournalError, match="closed"):
        journal.depth()
    with journal:
        pass
    journal.__exit__()
    with pytest.raises(JournalError, match="closed"):
        journal.next_seq()


# Rule 5: crashes at any instant.


class WatchedJournal(Journal):
    """Lets a test see every SQL statement just before it runs."""

    connection: sqlite3.Connection

    def __enter__(self) -> WatchedJournal:
        super().__enter__()
        return self

    def _connect(self) -> sqlite3.Connection:
        self.connection = super()._connect()
        return self.connection


def test_a_commit_is_on_the_disk_before_it_is_said_to_be(tmp_path: Path) -> None:
    """What kill -9 leaves is in the page cache; for a power cut the disk itself must have it, which no test can see."""
    with WatchedJournal(tmp_path / "journal.db", max_events=10) as journal:
        assert journal.connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
        assert journal.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def copy_of(path: Path, *, wal_bytes: int | None = None) -> Path:
    """The files as a crash at this instant leaves them, in a new folder; the log cut to `wal_bytes`."""
    folder = Path(tempfile.mkdtemp(dir=path.parent.parent))
    shutil.copy(path, folder / path.name)
    wal = path.with_name(path.name + "-wal")
    if wal.exists():
        content = wal.read_bytes()
        (folder / wal.name).write_bytes(content[:wal_bytes])
    return folder / path.name


class Crashes(RuleBasedStateMachine):
    """A bin that sorts, a broker that comes and goes, and a power supply that fails at any SQL statement.

    `recorded` and `completed` hold what the journal has promised by returning. `delivered` is what the broker has.
    """

    pending = Bundle("pending")

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.TemporaryDirectory(prefix="journal-", dir=FAST)
        folder = Path(self.root.name) / "0"
        folder.mkdir()
        self.path = folder / "journal.db"
        self.journal = WatchedJournal(self.path, max_events=1000)
        self.journal.__enter__()
        self.recorded: set[UUID] = set()
        self.completed: dict[UUID, Outcome] = {}
        self.attempted: dict[UUID, int] = {}
        self.delivered: dict[UUID, EventPayload] = {}
        self.broker_is_up = True

    # What the bin and the broker do.

    @rule(target=pending, compartment=st.sampled_from(COMPARTMENTS))
    def decide(self, compartment: str) -> SortEvent:
        event = sample_event(self.journal.next_seq(), compartment)
        self.attempted[event.event_id] = event.seq
        self.journal.record(event)
        self.recorded.add(event.event_id)
        return event

    @rule(event=consumes(pending), outcome=st.sampled_from(FINAL))
    def finish(self, event: SortEvent, outcome: Outcome) -> None:
        if self.is_pending(event):
            self.journal.complete(with_outcome(event, outcome))
            self.completed[event.event_id] = outcome

    @precondition(lambda self: self.broker_is_up)
    @rule(limit=st.integers(1, 3), live=st.booleans(), acknowledged=st.booleans())
    def publish(self, limit: int, live: bool, acknowledged: bool) -> None:
        """acknowledged: the answer arrives; else it is lost on the way."""
        events = self.journal.outbox(limit, live=live)
        for event in events:
            self.deliver(event)
        if acknowledged:
            self.journal.acknowledge(*ids(events))

    @rule(up=st.booleans())
    def broker_goes_or_comes(self, up: bool) -> None:
        if up and not self.broker_is_up:
            self.journal.mark_backlog()
        self.broker_is_up = up

    # What happens to the bin.

    @rule()
    def power_cut(self) -> None:
        self.reboot_from(copy_of(self.path))

    @rule(
        what=st.sampled_from(["record", "complete", "acknowledge", "recover"]),
        event=pending,
        outcome=st.sampled_from(FINAL),
        statement=st.integers(0, 8),
        torn=st.floats(0, 1),
    )
    def power_cut_within(self, what: str, event: SortEvent, outcome: Outcome, statement: int, torn: float) -> None:
        """At one SQL statement of a call, or while its commit is being written, so that its log is torn."""
        snapshots: list[Path] = []
        statements = 0

        def before_each(_: str) -> None:
            nonlocal statements
            if statements == statement:
                snapshots.append(copy_of(self.path))
            statements += 1

        new = sample_event(self.journal.next_seq(), event.decision.compartment)
        outbox = ids(everything(self.journal))
        is_pending = self.is_pending(event)
        wal_before = self.wal_bytes()
        self.journal.connection.set_trace_callback(before_each)
        if what == "record":
            self.attempted[new.event_id] = new.seq
            self.journal.record(new)
        elif what == "complete" and is_pending:
            self.journal.complete(with_outcome(event, outcome))
        elif what == "acknowledge":
            delivered_only = [event_id for event_id in outbox if event_id in self.delivered]
            self.journal.acknowledge(*delivered_only)
        elif what == "recover":
            self.journal.recover()
        self.journal.connection.set_trace_callback(None)
        if not snapshots:  # all statements have run; the commit may be half written
            grown = max(0, self.wal_bytes() - wal_before)
            snapshots.append(copy_of(self.path, wal_bytes=wal_before + int(torn * grown) if grown else None))
        self.reboot_from(snapshots[0])

    # What must hold.

    @invariant()
    def nothing_promised_is_missing(self) -> None:
        kept = {event.event_id: event.actuation.outcome for event in self.journal.newest(1000)}
        assert self.recorded <= kept.keys()
        for event_id, outcome in self.completed.items():
            assert kept[event_id] == outcome.value

    @invariant()
    def counts_are_the_confirmed_events(self) -> None:
        confirmed = [e for e in self.journal.newest(1000) if e.actuation.outcome == "CONFIRMED"]
        assert self.journal.counts() == Counter(event.actuation.target for event in confirmed)

    def teardown(self) -> None:
        """In the end the broker is back, and has every event once, under its own id."""
        self.reboot_from(copy_of(self.path))
        events = everything(self.journal)
        for event in events:
            self.deliver(event)
        self.journal.acknowledge(*ids(events))
        assert self.journal.depth() == 0 and self.journal.dropped == 0
        assert self.recorded <= self.delivered.keys()
        for event_id, event in self.delivered.items():
            assert event.seq == self.attempted[event_id]
            if event_id in self.completed:
                assert event.actuation.outcome == self.completed[event_id].value
        seqs = [event.seq for event in self.delivered.values()]
        assert len(seqs) == len(set(seqs))
        self.journal.__exit__()
        self.root.cleanup()

    def deliver(self, event: EventPayload) -> None:
        """The broker receives an event: it must be in the journal, finished, and always the same."""
        in_journal = {kept.event_id: kept for kept in self.journal.newest(1000)}
        same = event.model_copy(update={"historical": False})
        assert in_journal[event.event_id] == same and event.actuation.outcome != "PENDING"
        assert self.delivered.setdefault(event.event_id, same) == same

    def is_pending(self, event: SortEvent) -> bool:
        kept = {e.event_id: e.actuation.outcome for e in self.journal.newest(1000)}
        return kept.get(event.event_id) == "PENDING"

    def wal_bytes(self) -> int:
        wal = self.path.with_name(self.path.name + "-wal")
        return wal.stat().st_size if wal.exists() else 0

    def reboot_from(self, path: Path) -> None:
        self.journal.__exit__()
        self.path = path
        self.journal = WatchedJournal(path, max_events=1000)
        self.journal.__enter__()
        self.journal.recover()
        assert all(event.historical for event in everything(self.journal))


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


class Bounded(RuleBasedStateMachine):
    """A journal with few rows: it never holds more, and accounts for everything it let go."""

    pending = Bundle("pending")
    MAX = 10

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.TemporaryDirectory(prefix="journal-", dir=FAST)
        self.journal = Journal(Path(self.root.name) / "journal.db", max_events=self.MAX).__enter__()
        self.acknowledged: set[UUID] = set()
        self.finished: set[UUID] = set()
        self.confirmed: Counter[str] = Counter()
        self.unfinished = 0

    @precondition(lambda self: self.unfinished < 3)
    @rule(target=pending, compartment=st.sampled_from(COMPARTMENTS))
    def decide(self, compartment: str) -> SortEvent:
        event = sample_event(self.journal.next_seq(), compartment)
        self.journal.record(event)
        self.unfinished += 1
        return event

    @rule(event=consumes(pending), outcome=st.sampled_from(FINAL))
    def finish(self, event: SortEvent, outcome: Outcome) -> None:
        self.journal.complete(with_outcome(event, outcome))
        self.unfinished -= 1
        self.finished.add(event.event_id)
        self.confirmed[event.decision.compartment] += outcome is Outcome.CONFIRMED

    @rule(outcomes=st.lists(st.sampled_from(FINAL), max_size=8))
    def sort_many(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.finished.add(sort_one(self.journal, outcome=outcome).event_id)
            self.confirmed["glass"] += outcome is Outcome.CONFIRMED

    @rule(some=st.integers(1, 6))
    def acknowledge(self, some: int) -> None:
        events = ids(self.journal.outbox(some, live=True))
        self.journal.acknowledge(*events)
        self.acknowledged |= set(events)

    @rule(target=pending)
    def nothing(self) -> object:
        return multiple()

    @invariant()
    def bounded_and_accounted_for(self) -> None:
        assert len(self.journal.newest(1000)) <= self.MAX
        assert len(self.finished) == len(self.acknowledged) + self.journal.depth() + self.journal.dropped
        assert self.journal.counts() == {name: n for name, n in sorted(self.confirmed.items()) if n}

    def teardown(self) -> None:
        self.journal.__exit__()
        self.root.cleanup()


TestBounded = Bounded.TestCase
TestBounded.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


WRITER = """
import sys
from pathlib import Path
from edge.domain import Outcome
from edge.journal import Journal
from tests.brokers import sample_event

with Journal(Path(sys.argv[1]), max_events=100_000) as journal:
    journal.recover()
    while True:
        event = sample_event(journal.next_seq())
        journal.record(event)
        print("recorded", event.event_id, event.seq, flush=True)
        journal.complete(sample_event(event.seq, outcome=Outcome.CONFIRMED, event_id=event.event_id))
        print("completed", event.event_id, event.seq, flush=True)
"""


def test_kill_9_loses_nothing_that_was_announced(tmp_path: Path) -> None:
    """A real process, killed in earnest at a random line, three times over on the same journal."""
    path = tmp_path / "journal.db"
    announced: dict[UUID, int] = {}
    completed: set[UUID] = set()
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(random.randint(1, 60))]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        for what, event_id, seq in (line.split() for line in lines if line.endswith("\n")):
            announced[UUID(event_id)] = int(seq)
            if what == "completed":
                completed.add(UUID(event_id))
    with Journal(path, max_events=100_000) as journal:
        journal.recover()
        kept = {event.event_id: event for event in journal.outbox(100_000, live=False)}
        assert announced.keys() <= kept.keys()
        assert all(kept[event_id].seq == seq for event_id, seq in announced.items())
        assert all(kept[event_id].actuation.outcome == "CONFIRMED" for event_id in completed)
        assert journal.counts()["glass"] == sum(event.actuation.outcome == "CONFIRMED" for event in kept.values())
        assert sorted(event.seq for event in kept.values()) == list(range(1, len(kept) + 1))
