"""A photograph is answered by the model that sorts, and by another one beside it where that was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.console.photo import classify, classify_file, models_of
from edge.console.side_by_side import ALONE, choices_of, side_by_side
from edge.control import BundleView, ClassifyArguments, ControlClient, ControlServer
from edge.errors import CommandError

from .conftest import as_result, png, tray
from .test_model import a_bundle, a_model

PNG = png(tray(item=True))


class Models:
    """Answers as a daemon with two models; `other` is what the second one says, or why it says nothing."""

    def __init__(self) -> None:
        self.other: str | CommandError = "metal"
        self.asked: list[str | None] = []

    def classify(self, arguments: dict[str, Any]) -> dict[str, Any]:
        slot = ClassifyArguments.model_validate(arguments).slot
        self.asked.append(slot)
        if slot is None:
            return as_result("glass").model_copy(update={"model": "old 1.0.0"}).to_dict()
        if isinstance(self.other, CommandError):
            raise self.other
        return as_result(self.other).model_copy(update={"model": "<new> 1.1.0"}).to_dict()

    def model(self, _: dict[str, Any]) -> dict[str, Any]:
        return a_model(a_bundle(), a_bundle("a", name="new", version="1.1.0")).to_dict()


@pytest.fixture
def models(tmp_path: Path) -> Any:
    models = Models()
    with ControlServer(tmp_path / "control.sock", {"classify": models.classify, "model": models.model}):
        yield models


@pytest.fixture
def client(tmp_path: Path) -> ControlClient:
    return ControlClient(tmp_path / "control.sock")


def test_without_another_model_one_answers(client: ControlClient, models: Models) -> None:
    [(verdict, bars, pictures, beside)] = classify(client, PNG, "bottle.png", "")
    assert "glass" in verdict and max(bars, key=bars.get) == "glass" and "<img" in pictures
    assert (beside, models.asked) == ("", [None])


def test_the_other_models_answer_comes_after_the_first_and_beside_it(client: ControlClient, models: Models) -> None:
    (verdict, _, _, waiting), (*_, beside) = classify(client, PNG, "bottle.png", "a")
    assert "glass" in verdict and "is being loaded" in waiting
    assert "They differ: glass or metal." in beside
    assert "old 1.0.0, sorts" in beside and "&lt;new&gt; 1.1.0, beside it" in beside
    assert models.asked == [None, "a"]


def test_a_second_model_that_does_not_answer_says_why_and_leaves_the_first_ones_answer(
    client: ControlClient, models: Models
) -> None:
    models.other = CommandError("a second model is in use already")
    (verdict, *_), (again, *_, beside) = classify(client, PNG, "bottle.png", "a")
    assert "glass" in verdict and "A second model is in use already." in beside
    assert not isinstance(again, str), "what stands there stays"


def test_an_upload_is_deleted_whatever_it_is(client: ControlClient, models: Models, broken_file: Path) -> None:
    [(verdict, *_)] = classify_file(client, broken_file, "a")
    assert "Not a picture that can be read" in verdict
    assert not broken_file.exists() and models.asked == []


def test_what_may_be_chosen_is_what_is_on_the_bin_and_can_be_used(client: ControlClient, models: Models) -> None:
    assert models_of(client) == [ALONE, ("new 1.1.0 (slot a)", "a")]
    assert choices_of([a_bundle(), BundleView(slot="b", current=False, previous=True, problem="damaged")]) == [ALONE]


def test_without_a_daemon_nothing_may_be_chosen(client: ControlClient) -> None:
    assert models_of(client) == [ALONE]


def test_models_that_agree_say_so() -> None:
    assert "Both put it into glass." in side_by_side(tray(item=True), as_result("glass"), as_result("glass"))
