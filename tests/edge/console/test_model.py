"""The model tab: what sorts and what else could, what is known of it, and how a new one gets on."""

from __future__ import annotations

from typing import Any

import pytest

from edge.config.update import Update
from edge.console.model_page import REMEDIES, STEPS, bundles_of, engines_of, update_of, upload_form
from edge.control import BundleView, EngineView, MetricsView, ModelResult, UpdateView
from edge.payloads import UpdatePayload

SORTS = UpdatePayload(installed_version="1.0.0", latest_version="1.0.0", in_progress=False)


def a_bundle(slot: Any = "config", **changes: Any) -> BundleView:
    metrics = {"right": 367, "total": 384, "accuracy": 0.9557, "interval95": (0.93, 0.972), "macro_f1": 0.944}
    known: dict[str, Any] = {
        "current": slot == "config",
        "previous": False,
        "problem": None,
        "name": "resnet50-trashnet",
        "version": "0.3.0",
        "signed_by": "maker",
        "facts": {"Licence": "<MIT>"},
        "metrics": [MetricsView(precision="int8", split="test", **metrics)],
        "pictures": ["confusion"],
    }
    return BundleView(slot=slot, **(known | changes))


def a_model(*bundles: BundleView, **changes: Any) -> ModelResult:
    known: dict[str, Any] = {
        "bundles": list(bundles) or [a_bundle()],
        "engine": "onnxruntime-int8",
        "engines": [],
        "update": UpdateView(outcome="none", progress=SORTS),
    }
    return ModelResult(**(known | changes))


def an_update(outcome: Any, **changes: Any) -> UpdateView:
    shadow = {key: changes.pop(key) for key in tuple(changes) if key.startswith("shadow_") or key == "failed_at"}
    return UpdateView(outcome=outcome, progress=SORTS.model_copy(update=changes), **shadow)


def test_each_bundle_has_its_figures_its_report_and_its_card() -> None:
    shown = bundles_of(a_model(a_bundle("a", version="0.2.0"), a_bundle()))
    for text in ("signed by maker", "95.6% (367 of 384)", "93.0 to 97.2%", "sorts, on onnxruntime-int8", "Model card"):
        assert text in shown
    assert "report/a/confusion.png" in shown and "report/config/confusion.png" in shown
    assert shown.index("0.3.0") < shown.index("0.2.0"), "the one that sorts comes first"
    assert "<MIT>" not in shown and "&lt;MIT&gt;" in shown


def test_another_bundle_can_be_switched_to_and_the_one_before_gone_back_to() -> None:
    shown = bundles_of(a_model(a_bundle(), a_bundle("a", previous=True), a_bundle("b")))
    assert 'data-switch="a"' in shown and 'data-switch="b"' in shown and 'data-switch="config"' not in shown
    assert shown.count("data-rollback") == 1


def test_a_bundle_that_cannot_be_used_says_why_and_cannot_be_switched_to() -> None:
    shown = bundles_of(a_model(a_bundle(), BundleView(slot="a", current=False, previous=True, problem="<its> key")))
    assert "&lt;its&gt; key." in shown
    assert "data-switch" not in shown and "data-rollback" not in shown


def test_a_model_that_nobody_signed_and_without_a_report_says_so() -> None:
    shown = bundles_of(a_model(a_bundle(signed_by=None, pictures=[])))
    assert "not signed" in shown and "The bundle has none of this network." in shown


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_said_in_words_with_how_far_it_is(step: str) -> None:
    shown = update_of(an_update("running", step=step, update_percentage=72, in_progress=True))
    assert STEPS[step] in shown and 'value="72"' in shown and "version 1.0.0 sorts on" in shown


def test_the_shadow_is_told_while_it_lasts_and_afterwards() -> None:
    shadow = {"shadow_wanted": 50, "shadow_seen": 12, "shadow_elsewhere": 3}
    for outcome in ("running", "sorts", "failed"):
        assert "12 of 50 items named by both; 3 of them" in update_of(an_update(outcome, **shadow))
    assert "named by both" not in update_of(an_update("sorts"))


@pytest.mark.parametrize("step", [*REMEDIES, None])
def test_a_refused_bundle_says_why_and_what_to_do(step: str | None) -> None:
    shown = update_of(an_update("failed", error="nobody <vouches> for it", failed_at=step))
    assert "Refused: version 1.0.0 sorts on" in shown and "Nobody &lt;vouches&gt; for it." in shown
    assert "What to do." in shown


def test_what_came_of_it_is_said_and_nothing_where_there_was_nothing() -> None:
    assert "Version 1.0.0 sorts" in update_of(an_update("sorts"))
    assert "Nothing to do" in update_of(an_update("same"))
    assert update_of(an_update("none")) == ""


def test_engines_are_told_as_tune_measured_them_or_how_to_measure() -> None:
    assert "python -m edge tune" in engines_of(a_model())
    rows = [
        EngineView(engine="onnxruntime", precision="int8", off_by=0.1234, median_ms=24.02, why=None),
        EngineView(engine="tensorrt", precision=None, off_by=None, median_ms=None, why="not installed"),
    ]
    shown = engines_of(a_model(engines=rows))
    for text in ("0.123", "24.0 ms", "may sort", "not installed"):
        assert text in shown


def test_the_form_knows_what_the_bin_takes_and_how_many_items_its_config_wants() -> None:
    shown = upload_form(Update(max_bytes=5_000_000, shadow_items=7))
    assert 'data-max-bytes="5000000"' in shown and "5 MB at most" in shown and 'value="7"' in shown
