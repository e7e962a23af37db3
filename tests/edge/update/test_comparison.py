"""A comparison in the bin: beside the sorting, between items only, and gone when an update wants the room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.bundle import load_trusted
from edge.captures.messages import CompareArguments, ComparisonView
from edge.captures.store import CaptureStore
from edge.classify import Classifier
from edge.errors import BundleError, UpdateError
from edge.update.comparison import Comparison
from tests.captures import JPEG, named_capture
from tests.patience import PATIENCE
from tests.small_bundle import TRUST, write_bundle
from tests.updates import Answers

BOTH = CompareArguments(old="config", new="a")
PATIENCE_S = 20.0 * PATIENCE


class Bin:
    """What a comparison meets."""

    def __init__(self, folder: Path, *, named: bool = True) -> None:
        self.phase, self.updating = "waiting", False
        self.fails: Exception | None = None
        self.bundle = load_trusted(write_bundle(folder / "bundle"), TRUST)
        self.store = CaptureStore(folder / "captures", budget_bytes=10**6, reserve_mb=0)
        self.store.open()
        for seq in (1, 2):
            self.store.add(named_capture(seq, "metal", "glass" if named else None), JPEG)
        self.comparison = Comparison(self.store, self._beside, self._looked_up, lambda: self.updating)
        self.lookups = 0

    def _looked_up(self) -> str:
        self.lookups += 1
        return self.phase

    def waits(self) -> bool:
        """Whether nothing is looked at though the phase is asked for again."""
        before = self.lookups
        self.until(lambda _: self.lookups >= before + 2)
        return self.comparison.view().done == 0

    @contextmanager
    def _beside(self, slot: str) -> Iterator[Classifier]:
        if self.fails is not None:
            raise self.fails
        yield Classifier(self.bundle, Answers((9.0, 0.0) if slot == "a" else (0.0, 9.0)))  # type: ignore[arg-type]

    def until(self, wanted: Callable[[ComparisonView], bool]) -> ComparisonView:
        for _ in range(int(PATIENCE_S / 0.02)):
            if wanted(view := self.comparison.view()):
                return view
            threading.Event().wait(0.02)
        raise AssertionError(view)

    def over(self) -> ComparisonView:
        return self.until(lambda view: not view.running)


def test_two_models_are_compared_and_the_result_stays_to_be_looked_at(tmp_path: Path) -> None:
    bin_ = Bin(tmp_path)
    assert bin_.comparison.view() == ComparisonView(running=False)
    with bin_.comparison as comparison:
        comparison.start(BOTH)
        view = bin_.over()
    assert view.result is not None and (view.done, view.wanted, view.error) == (4, 4, None)
    assert (view.result.all.old.right, view.result.all.new.right) == (0, 2)


def test_no_picture_is_looked_at_while_an_item_lies_on_the_tray(tmp_path: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.phase = "looking"
    with bin_.comparison as comparison:
        comparison.start(BOTH)
        with pytest.raises(UpdateError, match="under way already"):
            comparison.start(BOTH)
        assert bin_.waits()
        bin_.phase = "sorting"
        assert bin_.waits()
        bin_.phase = "waiting"
        assert bin_.over().done == 4


def test_an_update_ends_it_and_keeps_another_from_beginning(tmp_path: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.phase = "looking"
    with bin_.comparison as comparison:
        comparison.start(BOTH)
        bin_.updating, bin_.phase = True, "waiting"
        assert "an update is under way" in str(bin_.over().error)
        with pytest.raises(UpdateError, match="an update is under way"):
            comparison.start(BOTH)


def test_the_end_of_the_program_does_not_wait_for_the_tray(tmp_path: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.phase = "looking"
    with bin_.comparison as comparison:
        comparison.start(BOTH)
    assert bin_.over().error == "the program ends"


@pytest.mark.parametrize("error", [BundleError("slot a is empty"), OSError(5, "Input/output error"), KeyError("a bug")])
def test_what_goes_wrong_is_said_and_the_next_one_may_begin(tmp_path: Path, error: Exception) -> None:
    bin_ = Bin(tmp_path)
    bin_.fails = error
    with bin_.comparison as comparison:
        comparison.start(BOTH)
        assert str(error) in str(bin_.over().error)
        bin_.fails = None
        comparison.start(BOTH)
        assert bin_.over().error is None


def test_there_must_be_two_models_and_something_to_compare_on(tmp_path: Path) -> None:
    comparison = Bin(tmp_path, named=False).comparison
    with pytest.raises(UpdateError, match="choose two models"):
        comparison.start(CompareArguments(old="a", new="a"))
    with pytest.raises(UpdateError, match="nobody has named an item yet"):
        comparison.start(BOTH)
