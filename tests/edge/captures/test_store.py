"""The folder of captures: bounded, listed, corrected, and whole after a power cut."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle import decode
from edge.captures.capture import Correction, read_capture
from edge.captures.entry import CaptureFilter
from edge.captures.store import CaptureStore
from edge.errors import CaptureMissing
from tests.brokers import sample_event
from tests.captures import DAY_0, JPEG, sample_capture

MB = 1_000_000


def opened(folder: Path, *, budget_bytes: int = MB, reserve_mb: int = 0, free_bytes: int = 10 * MB) -> CaptureStore:
    store = CaptureStore(folder, budget_bytes=budget_bytes, reserve_mb=reserve_mb, free_bytes=lambda folder: free_bytes)
    store.open()
    return store


@pytest.fixture
def store(tmp_path: Path) -> CaptureStore:
    return opened(tmp_path / "captures")


def seqs(store: CaptureStore, wanted: CaptureFilter | None = None) -> list[int]:
    return [capture.event.seq for capture in store.list(wanted, 1000)]


def test_what_is_kept_is_listed_newest_first_and_read_back(store: CaptureStore) -> None:
    captures = [sample_capture(seq) for seq in (1, 2, 3)]
    for capture in captures:
        store.add(capture, JPEG)
    assert store.list() == captures[::-1]
    assert store.list(limit=2) == captures[:0:-1]
    capture, content = store.read(captures[1].event_id)
    assert capture == captures[1]
    assert decode(content, name="capture").shape == (60, 100, 3)
    assert len(store) == 3 and store.size_bytes == sum(path.stat().st_size for path in store.folder.iterdir())


def test_the_folder_is_for_the_bins_user_alone(store: CaptureStore) -> None:
    assert store.folder.stat().st_mode & 0o777 == 0o700


def test_captures_outlast_the_program_and_their_numbers_order_them_whatever_the_clock_said(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for seq, day in ((9, 30.0), (10, 2.0), (11, 1.0)):
        store.add(sample_capture(seq, day=day), JPEG)
    again = opened(tmp_path)
    assert seqs(again) == [11, 10, 9]
    assert again.list() == store.list() and again.size_bytes == store.size_bytes


@given(
    sizes=st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=1, max_size=20),
    budget_bytes=st.integers(6_000, 20_000),
)
@settings(max_examples=10)
def test_the_budget_is_never_exceeded_and_the_newest_is_always_there(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, bool]], budget_bytes: int
) -> None:
    store = opened(tmp_path_factory.mktemp("captures"), budget_bytes=budget_bytes)
    for seq, (size_bytes, corrects) in enumerate(sizes, 1):
        capture = sample_capture(seq)
        store.add(capture, JPEG[:-2] + bytes(size_bytes) + JPEG[-2:])
        assert sum(path.stat().st_size for path in store.folder.iterdir()) == store.size_bytes <= budget_bytes
        assert seqs(store)[0] == seq
        if corrects:
            store.correct(capture.event_id, Correction(label="paper", by="kim", at=DAY_0))


def test_the_oldest_make_room_and_those_that_a_person_corrected_go_last(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(sample_capture(1), JPEG)
    store.correct(store.list()[0].event_id, Correction(label="paper", by="kim", at=DAY_0))
    store = opened(tmp_path, budget_bytes=round(3.3 * store.size_bytes))
    for seq in range(2, 6):
        store.add(sample_capture(seq), JPEG)
    assert seqs(store) == [5, 4, 1]


def test_of_the_random_sample_the_oldest_go_whoever_named_them_or_the_field_accuracy_would_lie(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.add(sampled := sample_capture(2), JPEG)
    assert sampled.sampled
    store.correct(sampled.event_id, Correction(label="paper", by="kim", at=DAY_0))
    store = opened(tmp_path, budget_bytes=round(3.3 * store.size_bytes))
    for seq in range(3, 7):
        store.add(sample_capture(seq), JPEG)
    assert seqs(store) == [6, 5, 4]


def test_no_picture_is_taken_from_the_space_that_is_left_free(tmp_path: Path) -> None:
    store = opened(tmp_path, reserve_mb=5, free_bytes=5 * MB + 100)
    with pytest.raises(OSError, match=r"journal\.reserve_mb keeps 5 MB free") as refused:
        store.add(sample_capture(1), JPEG)
    assert refused.value.errno == errno.ENOSPC
    assert [*tmp_path.iterdir()] == [] and len(store) == 0


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (CaptureFilter(), [4, 3, 2, 1]),
        (CaptureFilter(label="glass"), [4, 3, 1]),
        (CaptureFilter(label="paper"), [2]),
        (CaptureFilter(corrected=True), [2]),
        (CaptureFilter(corrected=False, sampled=True), [4]),
        (CaptureFilter(compartment="metal"), [3]),
        (CaptureFilter(reason="NOVEL"), []),
        (CaptureFilter(before_seq=3), [2, 1]),
        (CaptureFilter(outcome="PENDING"), [4, 3, 2, 1]),
        (CaptureFilter(outcome="JAMMED"), []),
        (CaptureFilter(since=DAY_0 + timedelta(days=2), until=DAY_0 + timedelta(days=4)), [3, 2]),
        (CaptureFilter(p_from=0.9), [4, 3, 2, 1]),
        (CaptureFilter(p_below=0.9), []),
    ],
)
def test_a_filter_takes_what_fits_and_a_correction_counts_as_the_label(
    store: CaptureStore, wanted: CaptureFilter, expected: list[int]
) -> None:
    for seq, compartment in enumerate(("glass", "glass", "metal", "glass"), 1):
        store.add(sample_capture(seq, day=seq, event=sample_event(seq, compartment)), JPEG)
    second = store.list(CaptureFilter(before_seq=3), 1)[0]
    store.correct(second.event_id, Correction(label="paper", by="kim", at=DAY_0))
    assert seqs(store, wanted) == expected
    assert seqs(opened(store.folder), wanted) == expected


def test_a_correction_says_who_and_when_stays_in_the_file_and_can_be_taken_back(store: CaptureStore) -> None:
    capture = sample_capture(1)
    store.add(capture, JPEG)
    correction = Correction(label="paper", by="kim", at=DAY_0 + timedelta(hours=1))
    corrected = store.correct(capture.event_id, correction)
    assert corrected.label == "paper" and corrected.event == capture.event
    [path] = store.folder.iterdir()
    assert read_capture(path.read_bytes()).correction == correction
    assert path.read_bytes().endswith(JPEG[2:]), "the picture itself is not encoded again"
    assert store.correct(capture.event_id, None) == capture


def test_what_is_deleted_is_gone_and_is_said_to_be(store: CaptureStore) -> None:
    capture = sample_capture(1)
    store.add(capture, JPEG)
    store.delete(capture.event_id)
    store.delete(capture.event_id)
    assert [*store.folder.iterdir()] == [] and store.list() == []
    for ask in (store.read, lambda event_id: store.correct(event_id, None)):
        with pytest.raises(CaptureMissing, match=str(capture.event_id)):
            ask(capture.event_id)


def test_a_file_that_somebody_else_deleted_is_no_longer_listed(store: CaptureStore) -> None:
    for seq in (1, 2):
        store.add(sample_capture(seq), JPEG)
    next(store.folder.glob("0000000001-*.jpg")).unlink()
    assert seqs(store) == [2] and len(store) == 1


@pytest.mark.parametrize("left", [b"", b"\xff\xd8", b"\x00" * 4096])
def test_what_a_power_cut_left_half_is_deleted_at_the_next_start_and_other_files_are_not_touched(
    store: CaptureStore, left: bytes
) -> None:
    store.add(sample_capture(1), JPEG)
    [whole] = store.folder.iterdir()
    half = store.folder / f"0000000002-{uuid4()}.jpg"
    half.write_bytes(left)
    cut = store.folder / f"0000000003-{uuid4()}.jpg"
    cut.write_bytes(whole.read_bytes()[:-40])
    (store.folder / f"0000000004-{uuid4()}.part").write_bytes(JPEG)
    (store.folder / "holiday.jpg").write_bytes(JPEG)
    assert seqs(opened(store.folder)) == [1]
    assert {path.name for path in store.folder.iterdir()} == {whole.name, "holiday.jpg"}


def test_a_disk_that_fails_in_the_middle_leaves_nothing_half(
    store: CaptureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        store.add(sample_capture(1), JPEG)
    assert [*store.folder.iterdir()] == [] and store.list() == []


def test_what_is_too_old_goes_and_what_a_wrong_clock_dated_goes_with_what_came_after_it(store: CaptureStore) -> None:
    store.add(sample_capture(1, day=-9000, clock_synced=False), JPEG)
    store.add(sample_capture(2, day=0), JPEG)
    store.add(sample_capture(3, day=-9000, clock_synced=False), JPEG)
    store.add(sample_capture(4, day=10), JPEG)
    store.add(sample_capture(5, day=-9000, clock_synced=False), JPEG)
    assert store.expire(DAY_0 + timedelta(days=5)) == 2
    assert seqs(store) == [5, 4, 3]
    assert store.expire(DAY_0 + timedelta(days=11)) == 2
    assert seqs(store) == [5], "nobody knows how old it is"
    assert store.expire(DAY_0, every_date=True) == 1
