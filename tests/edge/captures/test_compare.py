"""Two models on the same named captures, item by item: what may be chance, and what may have been learnt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from edge.bundle import Bundle, load_trusted
from edge.captures.compare import Judged, Opened, compare, pair_of, sign_test
from edge.captures.store import CaptureStore
from edge.classify import Classifier
from edge.errors import UpdateError
from tests.captures import JPEG, named_capture
from tests.small_bundle import TRUST, write_bundle
from tests.updates import Answers

GLASS, METAL = (9.0, 0.0), (0.0, 9.0)


class Models:
    """Opens models that say one thing of every item; notes how many are open."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.open, self.most = bundle, 0, 0

    def saying(self, logits: tuple[float, float]) -> Opened:
        @contextmanager
        def opened() -> Iterator[Classifier]:
            self.open += 1
            self.most = max(self.most, self.open)
            try:
                yield Classifier(self.bundle, Answers(logits))  # type: ignore[arg-type]
            finally:
                self.open -= 1

        return opened


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(load_trusted(write_bundle(tmp_path / "bundle"), TRUST))


@pytest.fixture
def store(tmp_path: Path, models: Models) -> CaptureStore:
    """Two items that are glass and one that is metal; the last was decided by the models' own bundle."""
    store = CaptureStore(tmp_path / "captures", budget_bytes=10**6, reserve_mb=0)
    store.open()
    for seq, really in enumerate(("glass", "metal", "glass"), 1):
        capture = named_capture(seq, "glass", really)
        if seq == 3:
            model = capture.event.model.model_copy(update={"sha256": models.bundle.model_id.sha256})
            capture = capture.model_copy(update={"event": capture.event.model_copy(update={"model": model})})
        store.add(capture, JPEG)
    return store


def ids(store: CaptureStore) -> list[UUID]:
    return [entry.event_id for entry in store.entries()]


def test_each_model_is_held_against_what_people_said_one_engine_at_a_time(store: CaptureStore, models: Models) -> None:
    looked: list[int] = []
    found = compare(
        ids(store), store.read, models.saying(METAL), models.saying(GLASS), lambda: looked.append(models.open)
    )
    assert (found.all.old.right, found.all.new.right, found.all.new.total) == (1, 2, 3)
    assert (found.all.better, found.all.worse) == (2, 1)
    assert (models.most, looked) == (1, [1] * 6)


def test_what_the_new_model_decided_itself_stands_apart(store: CaptureStore, models: Models) -> None:
    found = compare(ids(store), store.read, models.saying(METAL), models.saying(GLASS))
    assert (found.unseen.new.right, found.unseen.new.total, found.unseen.better) == (1, 1, 1)


def test_what_is_gone_or_no_longer_named_is_left_out_for_both(store: CaptureStore, models: Models) -> None:
    wanted = [*ids(store), uuid4()]
    turn = 0

    def take_back() -> None:
        nonlocal turn
        turn += 1
        if turn == 5:  # the old model has seen all
            store.correct(wanted[0], None)

    found = compare(wanted, store.read, models.saying(METAL), models.saying(GLASS), take_back)
    assert found.all.old.total == found.all.new.total == 2


def test_what_ends_it_closes_the_engine(store: CaptureStore, models: Models) -> None:
    def no_more() -> None:
        raise UpdateError("an update begins")

    closing = models.saying(GLASS)
    with pytest.raises(UpdateError):
        compare(ids(store), store.read, closing, closing, no_more)
    assert (models.open, models.most) == (0, 1)


@pytest.mark.parametrize(
    ("better", "worse", "chance"), [(0, 0, 1.0), (6, 0, 2 / 64), (0, 6, 2 / 64), (3, 3, 1.0), (5, 1, 14 / 64)]
)
def test_the_sign_test_is_exact(better: int, worse: int, chance: float) -> None:
    assert sign_test(better, worse) == pytest.approx(chance)


def test_items_on_which_both_agree_say_nothing_about_chance() -> None:
    same = [Judged("glass", "glass", "glass", unseen=False)] * 5
    assert pair_of([*same, Judged("glass", "metal", "glass", unseen=False)]).chance == 1.0
