"""Which items' pictures are kept, what is in them, and what happens when the disk takes none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle import decode
from edge.captures.keeper import RETRY_S, UPKEEP_S, CaptureKeeper, in_sample
from edge.captures.last_image import LastImage
from edge.captures.store import CaptureStore
from edge.clock import ManualClock
from edge.config import Captures, Config, Presence, load_config
from edge.domain import Reason
from edge.faults import Faults
from edge.observers import Observers, SortedItem
from tests.captures import JPEG, OTHER, sample_capture, sample_item, sample_picture

SIM_FILE = Path(__file__).parents[3] / "configs/edge/sim.yaml"
SIM = load_config(SIM_FILE)
DAY_S = 86400.0


class Keeping:
    """A keeper with a folder, its clock and faults."""

    def __init__(self, folder: Path, config: Config = SIM, **captures: Any) -> None:
        self.config = config.model_copy(update={"captures": Captures(**captures)})
        self.clock = ManualClock()
        self.faults = Faults(self.clock)
        self.free_bytes, self.dates_hold = 10**9, True
        self.store = CaptureStore(folder, budget_bytes=10**6, reserve_mb=100, free_bytes=lambda folder: self.free_bytes)
        self.observers = Observers(self.faults)
        self.keeper = CaptureKeeper(
            self.config, self.store, self.observers, self.faults, self.clock, lambda: self.dates_hold
        )

    def take(self, *items: SortedItem) -> None:
        for item in items:
            self.observers.offer(item)
            self._rest()

    def tend(self) -> None:
        self.keeper.tend()
        self._rest()

    def _rest(self) -> None:
        """Until the keeper's thread has done what it was given."""
        assert self.keeper._observer.settle(20.0)

    def codes(self) -> list[str]:
        return [fault.code for fault in self.faults.standing()]

    def reasons(self) -> list[str]:
        return [capture.event.decision.reason for capture in self.store.list()][::-1]


Keep = Callable[..., Keeping]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """Makes one, in the test's folder, whose thread ends with the test."""
    with ExitStack() as stack:

        def make(config: Config = SIM, folder: Path = tmp_path, **captures: Any) -> Keeping:
            keeping = Keeping(folder, config, **captures)
            stack.enter_context(keeping.observers)
            return keeping

        yield make


def test_uncertain_novel_and_mixed_items_are_kept_and_others_are_not(keep: Keep) -> None:
    keeping = keep(sample_share=0.0)
    keeping.take(*(sample_item(reason, seq=seq) for seq, reason in enumerate(Reason, 1)))
    assert keeping.reasons() == ["UNCERTAIN", "NOVEL", "MIXED"]
    assert not any(capture.sampled for capture in keeping.store.list())


def test_the_sample_takes_any_item_and_says_so(keep: Keep) -> None:
    keeping = keep(sample_share=1.0, reasons=())
    keeping.take(sample_item(Reason.CONFIDENT), sample_item(Reason.NOVEL, seq=2))
    assert keeping.reasons() == ["CONFIDENT", "NOVEL"]
    assert all(capture.sampled for capture in keeping.store.list())


@given(event_id=st.uuids(version=4), share=st.floats(0, 1), less=st.floats(0, 1))
def test_a_smaller_sample_is_a_part_of_a_larger_one(event_id: UUID, share: float, less: float) -> None:
    assert in_sample(event_id, 1.0) and not in_sample(event_id, 0.0)
    assert not in_sample(event_id, share * less) or in_sample(event_id, share)


def test_the_sample_is_about_as_large_as_it_should_be() -> None:
    chosen = sum(in_sample(UUID(int=n * 2**128 // 1000), 0.02) for n in range(1000))
    assert chosen == 20
    assert 1300 < sum(in_sample(uuid4(), 0.5) for _ in range(3000)) < 1700


def test_nothing_is_kept_when_it_is_switched_off_and_what_is_there_still_goes_when_it_is_due(
    tmp_path: Path, keep: Keep
) -> None:
    CaptureStore(tmp_path, budget_bytes=10**6, reserve_mb=0).add(sample_capture(1), JPEG)
    keeping = keep(enabled=False, sample_share=1.0, retention_days=30)
    keeping.take(sample_item(Reason.NOVEL, seq=2))
    keeping.tend()
    assert len(keeping.store) == 1
    keeping.clock.advance(31 * DAY_S)
    keeping.tend()
    assert len(keeping.store) == 0 and keeping.codes() == []


def test_only_the_tray_region_is_in_the_picture_and_the_box_is_where_the_item_was(keep: Keep) -> None:
    config = SIM.model_copy(update={"presence": Presence(region=(0.25, 0.0, 0.75, 1.0))})
    keeping = keep(config, sample_share=1.0, side_px=200)
    frame = sample_picture(300, 800)
    frame[100:200, 380:420] = 255  # the item
    frame[:, :200] = frame[:, 600:] = (0, 255, 0)  # what is beside the tray
    keeping.take(sample_item(frame=frame))
    [capture] = keeping.store.list()
    picture = decode(keeping.store.read(capture.event_id)[1], name="capture")
    assert picture.shape == (150, 200, 3)
    assert picture[:, :, 1].mean() < 40, "nothing of what is beside the tray"
    assert capture.box == (0, 38, 200, 112), "the crop reached over the region's sides"
    assert np.all(picture[60:90, 95:105] > 200)


def test_the_picture_for_the_broker_shows_the_tray_region_too_and_is_small() -> None:
    frame = sample_picture(1000, 2000)
    frame[:, :500] = (0, 255, 0)
    published: list[bytes] = []
    LastImage((0.25, 0.0, 1.0, 1.0), published.append).take(sample_item(frame=frame))
    [jpeg] = published
    picture = decode(jpeg, name="published")
    assert picture.shape == (427, 640, 3) and len(jpeg) < 50_000
    assert picture[:, :, 1].mean() < 10


def test_a_disk_without_room_is_a_fault_the_old_pictures_stay_and_it_ends_by_itself(keep: Keep) -> None:
    keeping = keep(sample_share=1.0)
    keeping.take(sample_item())
    keeping.free_bytes = 10**7
    keeping.take(sample_item(seq=2))
    assert keeping.codes() == ["captures_failed"]
    assert "10 MB are left on the disk" in keeping.faults.standing()[0].message
    assert len(keeping.store) == 1
    keeping.free_bytes = 10**9
    keeping.clock.advance(RETRY_S)
    keeping.tend()
    assert keeping.codes() == []
    keeping.take(sample_item(seq=3))
    assert [capture.event.seq for capture in keeping.store.list()] == [3, 1]


def test_a_folder_that_cannot_be_made_is_a_fault_and_is_tried_again(tmp_path: Path, keep: Keep) -> None:
    (tmp_path / "captures").write_text("in the way")
    keeping = keep(folder=tmp_path / "captures", sample_share=1.0)
    keeping.tend()
    assert keeping.codes() == ["captures_failed"]
    (tmp_path / "captures").unlink()
    keeping.clock.advance(RETRY_S / 2)
    keeping.tend()
    assert keeping.codes() == ["captures_failed"]
    keeping.clock.advance(RETRY_S / 2)
    keeping.tend()
    assert keeping.codes() == []


def test_nothing_is_deleted_by_a_clock_that_is_not_to_be_believed(keep: Keep) -> None:
    keeping = keep(sample_share=1.0, retention_days=30)
    keeping.take(sample_item())
    keeping.dates_hold = False
    keeping.clock.set_wall_clock(10_000 * DAY_S)
    keeping.tend()
    assert len(keeping.store) == 1
    keeping.dates_hold = True
    keeping.clock.advance(UPKEEP_S)
    keeping.tend()
    assert len(keeping.store) == 0


def test_a_bin_whose_clock_nothing_sets_believes_its_dates(keep: Keep) -> None:
    config = SIM.model_copy(update={"clock": SIM.clock.model_copy(update={"time_source": False})})
    keeping = keep(config, retention_days=1)
    keeping.store.open()
    keeping.store.add(sample_capture(1, clock_synced=False), JPEG)
    keeping.clock.advance(2 * DAY_S)
    keeping.tend()
    assert len(keeping.store) == 0


@pytest.mark.parametrize(("reasons", "found"), [("[NOVEL]", (Reason.NOVEL,)), ("[]", ())])
def test_reasons_are_named_in_the_config(tmp_path: Path, reasons: str, found: tuple[Reason, ...]) -> None:
    path = tmp_path / "bin.yaml"
    path.write_text(f"{SIM_FILE.read_text()}\ncaptures: {{reasons: {reasons}}}\n")
    assert load_config(path).captures.reasons == found


def test_an_item_that_a_model_on_trial_disputes_is_kept_with_what_that_says(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, sample_share=0.0)
    plain, unsure = sample_item(seq=1), sample_item(Reason.UNCERTAIN, seq=2)
    keeping.take(plain, unsure)
    keeping.keeper.dispute(unsure, OTHER)
    keeping.keeper.dispute(plain, OTHER)
    keeping._rest()
    assert [(each.event.seq, each.other) for each in keeping.store.list()] == [(2, OTHER), (1, OTHER)]
    keeping.store.open()
    assert [entry.disputed for entry in keeping.store.entries()] == [True, True]


def test_a_bin_that_keeps_nothing_keeps_no_dispute(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, enabled=False)
    keeping.keeper.dispute(sample_item(seq=1), OTHER)
    assert keeping.keeper._observer.settle(20.0) and len(keeping.store) == 0
